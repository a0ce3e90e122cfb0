//go:build e2e

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

const defaultEngine = "unix:///var/run/docker.sock"

func engineHost() string { return cmp.Or(os.Getenv("DOCKER_HOST"), defaultEngine) }

// engineSocket is empty for an engine that the provider can't use.
func engineSocket() string {
	socket, _ := strings.CutPrefix(engineHost(), "unix://")
	return socket
}

// foreignEngine returns why the engine of this machine can't be used; it is
// empty if that can.
func foreignEngine(ctx context.Context, images []string) string {
	if runtime.GOOS != "linux" {
		return "containers' addresses can be reached on Linux only"
	}
	if engineSocket() == "" {
		return "it is not a unix socket"
	}
	if _, err := command(ctx, "docker", "version"); err != nil {
		return "it does not answer"
	}
	for _, image := range images {
		if err := haveImage(ctx, image); err != nil {
			return err.Error()
		}
	}
	return ""
}

// haveImage pulls an image that the engine lacks.
func haveImage(ctx context.Context, image string) error {
	if _, err := command(ctx, "docker", "image", "inspect", image); err == nil {
		return nil
	}
	return pull(ctx, image)
}

// pull gives up early where no registry answers, which can be told from the
// first line: it is there once the image's manifest is.
func pull(ctx context.Context, image string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	impatient := time.AfterFunc(15*time.Second, cancel)
	defer impatient.Stop()
	cmd := exec.CommandContext(ctx, "docker", "pull", image)
	cmd.Stdout = writer(func([]byte) { impatient.Stop() })
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("image %s can't be pulled: %w %s", image, err, lastLine(errOut.String()))
	}
	return nil
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// command returns what a command writes to standard output. Its error has all
// that it wrote.
func command(ctx context.Context, name string, args ...string) (string, error) {
	return output(exec.CommandContext(ctx, name, args...))
}

func output(cmd *exec.Cmd) (string, error) {
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, &out, &errOut)
	}
	return strings.TrimSpace(out.String()), err
}

// docker is for what has to work.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(t.Context(), "docker", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A container is what the engine tells of one.
type container struct {
	ID    string
	State struct {
		Status    string
		ExitCode  int
		StartedAt string
		Health    struct{ Status string }
	}
	Config struct {
		User string
		Env  []string
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress string }
	}
}

func inspect(t *testing.T, name string) container {
	t.Helper()
	var list []container
	if err := json.Unmarshal([]byte(docker(t, "inspect", name)), &list); err != nil || len(list) != 1 {
		t.Fatalf("%s: %d containers, %v", name, len(list), err)
	}
	return list[0]
}

func (c container) address() string {
	for _, n := range c.NetworkSettings.Networks {
		return n.IPAddress
	}
	return ""
}

func (c container) env(name string) string {
	for _, e := range c.Config.Env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// logs returns both outputs of a container.
func logs(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", "logs", name).CombinedOutput()
	if err != nil {
		t.Fatalf("docker logs %s: %v\n%s", name, err, out)
	}
	return string(out)
}

// remove removes a container, of which a failed test shows the log.
func remove(t *testing.T, name string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if t.Failed() {
		out, _ := exec.CommandContext(ctx, "docker", "logs", "--tail", "30", name).CombinedOutput()
		t.Logf("the end of %s's log:\n%s", name, out)
	}
	if _, err := command(ctx, "docker", "rm", "--force", name); err != nil {
		t.Error(err)
	}
}

// endsAtOnce runs an image whose watchdog has to refuse to start, and returns
// what it says.
func endsAtOnce(t *testing.T, image string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	name := containerName(t)
	args := append(append([]string{"run", "--name", name}, flags...), image)
	defer func() { _, _ = command(context.WithoutCancel(ctx), "docker", "rm", "--force", name) }()
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	var exit *exec.ExitError
	if ctx.Err() != nil || !errors.As(err, &exit) {
		t.Errorf("docker %s: got %v, want an exit status at once\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// start runs an image and returns the container's name.
func start(t *testing.T, image string, flags ...string) string {
	t.Helper()
	name := containerName(t)
	docker(t, append(append([]string{"run", "--detach", "--name", name}, flags...), image)...)
	t.Cleanup(func() { remove(t, name) })
	return name
}

// containerName is none that an earlier run may have left.
func containerName(t *testing.T) string {
	legal := func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789", r) {
			return r
		}
		return '-'
	}
	return strings.Map(legal, strings.ToLower(t.Name()+"-"+rand.Text()[:8]))
}

// contains reports whether a word stands in what r gives.
func contains(r io.Reader, word string) (bool, error) {
	buffer := make([]byte, 0, 1<<20)
	for {
		n, err := r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		switch {
		case bytes.Contains(buffer, []byte(word)):
			return true, nil
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, err
		}
		// What could be the beginning of the word stays.
		keep := min(len(word)-1, len(buffer))
		buffer = buffer[:copy(buffer, buffer[len(buffer)-keep:])]
	}
}

// modeIn asks the engine for the mode of a file in a container.
func modeIn(ctx context.Context, id, path string) (fs.FileMode, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", engineSocket())
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://docker/containers/"+id+"/archive?path="+url.QueryEscape(path), nil)
	if err != nil {
		return 0, err
	}
	a, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	a.Body.Close()
	text, err := base64.StdEncoding.DecodeString(a.Header.Get("X-Docker-Container-Path-Stat"))
	if err != nil || a.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s %w", path, a.Status, err)
	}
	var stat struct{ Mode fs.FileMode }
	err = json.Unmarshal(text, &stat)
	return stat.Mode, err
}
