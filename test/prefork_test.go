package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestPrefork has processes wait for their requests: each answers once, none
// answers with a secret that has changed, and none is left at the end.
func TestPrefork(t *testing.T) {
	s := setup{env: map[string]string{
		"auth": "bearer", "mode": "streaming", "cgi_headers": "false", "prefork": "3",
	}, secrets: map[string]string{"api-key": "ci " + ciKey + "\n"}}
	d := newDog(t, s)
	secret := filepath.Join(d.folder, "api-key")
	s.env["fprocess"] = writeProgram(t, "sum=$(cksum < "+secret+")\necho waits as $$ >&2\ncat\necho \" $$ $sum\"")
	d.launch(s, nil)
	sleeping := regexp.MustCompile(`stderr: waits as (\d+)`)
	started := func() [][]string { return sleeping.FindAllStringSubmatch(d.log.String(), -1) }
	eventually(t, "processes that wait", func() bool { return len(started()) == 3 })

	answered := map[string]bool{}
	ask := func(key string) (sum string) {
		t.Helper()
		a := d.do(call{method: "POST", path: "/", body: strings.NewReader("hello"), headers: []string{"Authorization: Bearer " + key}})
		words := strings.SplitN(strings.TrimSpace(a.body), " ", 3)
		if a.status != 200 || len(words) != 3 || words[0] != "hello" || answered[words[1]] {
			t.Fatalf("got %d and %q, want hello of a process that has not answered before", a.status, a.body)
		}
		answered[words[1]] = true
		return words[2]
	}
	first := started()[0][1]
	before := ask(ciKey)
	for range 10 {
		ask(ciKey)
	}
	if len(answered) == 0 || !answered[first] && !answered[started()[1][1]] && !answered[started()[2][1]] {
		t.Errorf("none of those that waited has answered, but %v", answered)
	}

	if err := os.WriteFile(secret+".new", []byte("ci "+nextKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(secret+".new", secret); err != nil {
		t.Fatal(err)
	}
	d.log.wait(t, `msg="the secrets have changed and are in force"`, d.ended)
	after := ask(nextKey)
	for range 5 {
		if got := ask(nextKey); got != after || got == before {
			t.Errorf("got %q, want %q, which is not %q", got, after, before)
		}
	}

	d.stop()
	for _, m := range started() {
		pid, _ := strconv.Atoi(m[1])
		eventually(t, fmt.Sprintf("the end of process %d", pid), func() bool { return syscall.Kill(pid, 0) != nil })
	}
}
