//go:build e2e && !linux

package e2e

import (
	"context"
	"errors"
	"syscall"
)

var errNoBox = errors.New("no container engine: run the tests on Linux")

func inBox() bool { return false }

func runInBox(context.Context) (int, error) { return 0, errNoBox }

func startBox(context.Context) (func(), error) { return nil, errNoBox }

func endsWithThis() *syscall.SysProcAttr { return nil }
