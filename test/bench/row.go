package main

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
)

// The programs that are measured. All but the first three are peers, which are
// on the machine or not.
const (
	ours     = "auth-watchdog"
	inproc   = "inproc"   // a Go program with the watchdog in it
	bare     = "net/http" // the same program without
	ofPeer   = "of-watchdog"
	classic  = "classic-watchdog"
	webProxy = "nginx"
)

// A row is one way to run one program.
type row struct {
	program  string
	mode     string
	auth     string
	settings map[string]string
}

func (r row) String() string {
	if r.program == ours || r.program == inproc {
		return r.mode + " " + r.auth
	}
	return r.program + " " + r.mode + " " + r.auth
}

// Values of settings that stand for what is known only when a program is
// started.
const (
	socketURL = "SOCKET_URL" // of the handler
	portURL   = "PORT_URL"
	onSocket  = "HANDLER_ON_SOCKET" // the command that starts the handler
	onPort    = "HANDLER_ON_PORT"
	onInput   = "HANDLER_ON_INPUT"
	filesAt   = "FILES" // a folder with one file
)

type settings = map[string]string

var (
	overSocket  = settings{"mode": "http", "upstream_url": socketURL, "fprocess": onSocket}
	overPort    = settings{"mode": "http", "upstream_url": portURL, "fprocess": onPort}
	streaming   = settings{"mode": "streaming", "fprocess": onInput}
	serializing = settings{"mode": "serializing", "fprocess": onInput}
	inProcess   = settings{"mode": "inproc", "GOGC": "400"} // as in the template
	files       = settings{"mode": "static", "static_path": filesAt}
)

// rows are all that are measured one after the other.
func rows(prefork int) []row {
	all := []row{
		{ours, "http-unix", "none", overSocket},
		{ours, "http-unix", "bearer", overSocket},
		{ours, "http-unix", "basic", overSocket},
		{ours, "http-unix", "hmac", overSocket},
		{ours, "http-unix", "login", overSocket},
		{ours, "http-tcp", "none", overPort},
		{ours, "http-tcp", "bearer", overPort},
		{ours, "streaming", "none", streaming},
		{ours, "streaming", "bearer", streaming},
		{ours, "serializing", "none", serializing},
		{ours, "serializing", "bearer", serializing},
		{inproc, "inproc", "none", inProcess},
		{inproc, "inproc", "bearer", inProcess},
		{inproc, "inproc", "basic", inProcess},
		{inproc, "inproc", "hmac", inProcess},
		{inproc, "inproc", "login", inProcess},
		{ours, "static", "none", files},
		{ours, "static", "bearer", files},
		bareRow,
		{ofPeer, "http", "none", overPort},
		{ofPeer, "streaming", "none", streaming},
		{ofPeer, "serializing", "none", serializing},
		{ofPeer, "static", "none", files},
		{classic, "fork", "none", streaming},
		{webProxy, "http", "bearer", nil},
	}
	if prefork > 0 {
		all = append(all, preforkRow(prefork, "none"), preforkRow(prefork, "bearer"))
	}
	return all
}

var bareRow = row{bare, "handler", "none", nil}

func preforkRow(n int, auth string) row {
	with := maps.Clone(streaming)
	with["prefork"], with["cgi_headers"] = strconv.Itoa(n), "false"
	return row{ours, "prefork", auth, with}
}

// A comparison holds one row of ours against one of somebody else's.
type comparison struct {
	ours, theirs row
	connections  int // 0 for those of the flag
}

func (c comparison) String() string {
	name := fmt.Sprintf("%s / %s", c.ours, c.theirs)
	if c.connections > 0 {
		name += fmt.Sprintf(", %d connections", c.connections)
	}
	return name
}

// comparisons are all that are measured in pairs.
func comparisons(prefork int) []comparison {
	bearer := row{ours, "http-unix", "bearer", overSocket}
	all := []comparison{
		{ours: bearer, theirs: row{ofPeer, "http", "none", overPort}},
		{ours: bearer, theirs: row{ofPeer, "http", "none", overPort}, connections: 64},
		{ours: bearer, theirs: row{webProxy, "http", "bearer", nil}},
		{ours: row{inproc, "inproc", "bearer", inProcess}, theirs: bareRow},
		{ours: row{ours, "http-unix", "login", overSocket}, theirs: bearer},
		{ours: row{ours, "streaming", "bearer", streaming}, theirs: row{classic, "fork", "none", streaming}},
		{ours: row{ours, "serializing", "bearer", serializing}, theirs: row{classic, "fork", "none", streaming}},
	}
	if prefork > 0 {
		all = append(all, comparison{ours: preforkRow(prefork, "bearer"), theirs: row{classic, "fork", "none", streaming}})
	}
	return all
}

// matching keeps those whose names match.
func matching[T fmt.Stringer](all []T, only *regexp.Regexp) []T {
	var some []T
	for _, one := range all {
		if only.MatchString(one.String()) {
			some = append(some, one)
		}
	}
	return some
}
