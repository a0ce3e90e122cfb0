package upstream

import "syscall"

// pipe makes a pipe that no other process inherits.
func pipe() (r, w int, err error) {
	var p [2]int
	err = syscall.Pipe2(p[:], syscall.O_CLOEXEC)
	return p[0], p[1], err
}
