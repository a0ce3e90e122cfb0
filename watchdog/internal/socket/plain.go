//go:build !linux || (!amd64 && !arm64) || race

package socket

import (
	"errors"
	"syscall"
)

// Package syscall tells the race detector that what is written happens before it
// is read.

func read(fd uintptr, p []byte) (int, syscall.Errno) {
	return errno(syscall.Read(int(fd), p)) //nolint:gosec // a descriptor
}

func write(fd uintptr, p []byte) (int, syscall.Errno) {
	return errno(syscall.Write(int(fd), p)) //nolint:gosec // a descriptor
}

func errno(n int, err error) (int, syscall.Errno) {
	var e syscall.Errno
	if err != nil && !errors.As(err, &e) {
		e = syscall.EINVAL
	}
	return n, e
}
