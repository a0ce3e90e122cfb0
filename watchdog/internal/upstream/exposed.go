package upstream

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// exposed returns the TCP addresses on which the process group of pid, and
// what descends from it, can be reached from outside: everything it listens on
// that is not loopback. Whoever reaches such an address needs no credential.
func exposed(pid int) ([]netip.AddrPort, error) {
	if runtime.GOOS != "linux" {
		return nil, nil // functions run on Linux; elsewhere it is somebody's desk
	}
	pids, err := family(pid)
	if err != nil {
		return nil, err
	}
	sockets := map[string]bool{} // inodes
	for _, p := range pids {
		if err := socketsOf(p, sockets); err != nil {
			return nil, err
		}
	}
	var open []netip.AddrPort
	for _, table := range []string{"tcp", "tcp6"} {
		listening, err := listenersIn(fmt.Sprintf("/proc/%d/net/%s", pid, table), sockets)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // no IPv6
			return nil, err
		}
		open = append(open, listening...)
	}
	return slices.DeleteFunc(open, func(a netip.AddrPort) bool { return a.Addr().Unmap().IsLoopback() }), nil
}

// family returns pid, the processes of its group, and all their descendants.
func family(pid int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	members := []int{pid}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		id, errID := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		state, parent, group := parseStat(string(text))
		if errID != nil || state == zombie {
			continue
		}
		children[parent] = append(children[parent], id)
		if group == pid && id != pid {
			members = append(members, id)
		}
	}
	for i := 0; i < len(members); i++ {
		for _, child := range children[members[i]] {
			if !slices.Contains(members, child) {
				members = append(members, child)
			}
		}
	}
	return members, nil
}

// zombie is the state of a process that has ended and was not waited for. It
// has no sockets, and nobody but root may look for any.
const zombie = "Z"

// parseStat reads "pid (command) state ppid pgrp …", in which the command may
// have anything.
func parseStat(text string) (state string, parent, group int) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 3 {
		return "", 0, 0
	}
	parent, _ = strconv.Atoi(fields[1])
	group, _ = strconv.Atoi(fields[2])
	return fields[0], parent, group
}

// isZombie reports whether a process has ended, or is no more.
func isZombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	state, _, _ := parseStat(string(text))
	return err != nil || state == zombie
}

// socketsOf adds the inodes of a process' sockets to set.
func socketsOf(pid int, set map[string]bool) error {
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) || isZombie(pid) {
			return nil // it has ended meanwhile
		}
		return err
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(folder, e.Name()))
		if err != nil {
			continue // it was closed meanwhile
		}
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			set[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return nil
}

// listenersIn returns the addresses in a table of the kernel's (proc(5)) on
// which one of the sockets listens.
func listenersIn(path string, sockets map[string]bool) ([]netip.AddrPort, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []netip.AddrPort
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		const local, state, inode, listen = 1, 3, 9, "0A"
		if !bytes.Contains(lines.Bytes(), []byte(" "+listen+" ")) {
			continue // of what is connected, or was, there can be thousands
		}
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode || fields[state] != listen || !sockets[fields[inode]] {
			continue
		}
		a, err := parseProcAddress(fields[local])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, a)
	}
	return list, lines.Err()
}

// parseProcAddress reads "0100007F:1F90": 32-bit words in the byte order of the
// machine, all of ours little-endian, and the port.
func parseProcAddress(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, errPort := strconv.ParseUint(port, 16, 16)
	if err != nil || errPort != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("not an address: %q", s)
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word)
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("not an address: %q", s)
	}
	return netip.AddrPortFrom(a, uint16(n)), nil
}
