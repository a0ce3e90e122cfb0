package upstream

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// reapInterval is how often children that nobody waits for are looked for.
const reapInterval = time.Second

// Reap waits for the children that are not ours, until ctx ends. The kernel
// gives them to process 1 when their parents are gone, and they would stay as
// zombies. Our own are waited for by who has started them: within an interval
// they are gone, so what is a zombie at two looks is an orphan.
func Reap(ctx context.Context) { reap(ctx, reapInterval) }

func reap(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	before := map[int]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := map[int]bool{}
		for _, pid := range zombies(os.Getpid()) {
			if !before[pid] {
				now[pid] = true
				continue
			}
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
		before = now
	}
}

// zombies returns the children of a process that have ended and were not
// waited for.
func zombies(parent int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // none where there is no /proc
	var list []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		if state, of, _ := parseStat(string(text)); state == zombie && of == parent {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				list = append(list, pid)
			}
		}
	}
	return list
}
