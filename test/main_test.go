package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the path of the program auth-watchdog as it is shipped, built once
// for all tests.
var binary string

// scriptFunction is the path of the function behind it, test/function/echo.
var scriptFunction string

func TestMain(m *testing.M) { os.Exit(scriptMain(m)) }

func scriptMain(m *testing.M) int {
	folder, err := os.MkdirTemp("", "auth-watchdog-test-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	binary, scriptFunction = filepath.Join(folder, "auth-watchdog"), filepath.Join(folder, "echo")
	for path, args := range map[string][]string{
		binary:         {"-ldflags=-X main.version=1.2.3 -X main.commit=abc1234", "../watchdog/cmd/auth-watchdog"},
		scriptFunction: {"./function/echo"},
	} {
		build := exec.Command("go", append([]string{"build", "-o", path}, args...)...)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", build, err)
			return 1
		}
	}
	return m.Run()
}
