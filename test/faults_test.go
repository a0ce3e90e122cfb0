package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// faults are those that other watchdogs have been found to have, with the test
// that fails on each: "FOLDER TestName" or "FOLDER TestName/row", and
// "later: …" for what is not built yet.
var faults = map[string][2]string{
	"A1":  {"a permission is matched as part of another", "later: tokens of the platform"},
	"A2":  {"a token without an expiry is good for ever", "later: tokens of the platform"},
	"A3":  {"a token without its scheme is taken", "later: tokens of the platform"},
	"A4":  {"the token chooses the algorithm", "later: tokens of the platform"},
	"A5":  {"keys of issuers are never read again", "later: tokens of the platform"},
	"A6":  {"an issuer that does not answer holds up the start", "later: tokens of the platform"},
	"A7":  {"a refusal says why", "watchdog/auth TestGateAnswers"},
	"A8":  {"readiness runs the function for anybody", "watchdog TestProbes"},
	"A9":  {"the function can be called round the watchdog", "watchdog/internal/upstream TestOpenUpstream"},
	"A10": {"a refusal is tried again by the queue", "watchdog/auth TestGateAnswers"},
	"A11": {"routes of others on the process' own mux", "watchdog TestNothingOfOthersIsServed"},

	"B1": {"a slot is lost when the caller leaves", "watchdog TestSlots"},
	"B2": {"a goroutine stays of each request", "test TestSoak"},
	"B3": {"a zombie stays of each request", "test TestSoak"},
	"B4": {"a caller takes the bound of time away", "watchdog TestTimeout"},
	"B5": {"children of the process outlive its time", "watchdog/internal/upstream TestFork/its children too"},
	"B6": {"the answer waits for a body that nobody reads", "watchdog/internal/upstream TestForkAnswersBeforeTheBodyCame"},
	"B7": {"a body takes any room, or is cut", "watchdog TestBuffer"},

	"C1": {"CONNECT reaches other servers", "test TestAttacks/P13 methods of proxies"},
	"C2": {"a whole URL on the request line", "test TestAttacks/P14 a whole URL on the request line"},
	"C3": {"a body that was read whole has no length", "watchdog TestBuffer"},
	"C4": {"a function that is gone answers 200", "watchdog/internal/upstream TestFunctionGone"},
	"C5": {"streams have no bound of time, or the wrong one", "watchdog TestDeadline"},
	"C6": {"an answer is held back until it is whole", "watchdog/internal/upstream TestContract"},
	"C7": {"headers of one hop travel on", "watchdog/internal/upstream TestHopByHopRequest"},
	"C8": {"a caller who has left counts as a timeout", "watchdog/internal/upstream TestContextEnds"},
	"C9": {"the prefix of the URL counts for some requests", "watchdog/internal/upstream TestPrefix"},

	"D1": {"a lock file that can't be made ends it without a word", "test TestScripts/serve-fails"},
	"D2": {"a port that is taken ends it without a failure", "test TestScripts/serve-fails"},
	"D3": {"a port for metrics that is taken is a panic", "test TestScripts/serve-fails"},
	"D4": {"it goes on without its function", "test TestScripts/function-dies"},
	"D5": {"a program that is not there is not named", "watchdog/internal/upstream TestProcessNotStarted"},
	"D6": {"the function ends before the requests in flight", "test TestDrainUnderLoad"},
	"D7": {"requests fail that come before the function listens", "watchdog/internal/upstream TestEarlyRequest"},
	"D8": {"orphans stay as zombies", "watchdog/internal/upstream TestReap"},

	"E1": {"a long line stops the function", "watchdog/internal/upstream TestFork/a line of 10 MiB"},
	"E2": {"last lines are lost", "watchdog/internal/upstream TestFork/standard error is logged"},
	"E3": {"a last line without an end is lost", "watchdog/internal/upstream TestProcessLastLine"},
	"E4": {"no JSON", "watchdog/internal/upstream TestLogLines"},
	"E5": {"a line for each request that says nothing", "watchdog/internal/upstream TestFork/standard error is logged"},
}

// TestFaults holds the table to the tests that there are.
func TestFaults(t *testing.T) {
	for group, n := range map[string]int{"A": 11, "B": 7, "C": 9, "D": 8, "E": 5} {
		for i := range n {
			id := fmt.Sprint(group, i+1)
			f, ok := faults[id]
			if !ok {
				t.Errorf("%s: has no row", id)
				continue
			}
			if strings.HasPrefix(f[1], "later: ") {
				continue
			}
			folder, name, _ := strings.Cut(f[1], " ")
			name, row, hasRow := strings.Cut(name, "/")
			if !hasTest(t, folder, name, row, hasRow) {
				t.Errorf("%s, %s: there is no %s", id, f[0], f[1])
			}
		}
	}
}

// hasTest reports whether a folder has a test, with a row or a script of that
// name.
func hasTest(t *testing.T, folder, name, row string, hasRow bool) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "func "+name+"(t *testing.T)") {
			continue
		}
		_, err = os.Stat(filepath.Join("script", row+".txtar"))
		return !hasRow || strings.Contains(string(text), `"`+row+`"`) || err == nil
	}
	return false
}
