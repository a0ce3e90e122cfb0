//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The box is this program once more, as the first process of namespaces of its
// own: it has its own network, whose way out is slirp4netns, and an engine. What
// runs in there ends when the program ends, in whatever way.

const boxVariable = "AUTH_WATCHDOG_E2E_BOX"

// packages are Debian's for the programs that the box needs.
var packages = map[string]string{
	"dockerd": "docker.io", "docker": "docker.io", "containerd": "containerd", "runc": "runc", "iptables": "iptables",
	"slirp4netns": "slirp4netns", "debootstrap": "debootstrap", "docker-registry": "docker-registry",
}

func inBox() bool { return os.Getenv(boxVariable) != "" }

func runInBox(ctx context.Context) (int, error) {
	if os.Getuid() != 0 {
		return 0, errors.New("no container engine: start Docker, or run as root on Debian, where the test starts one in namespaces of its own")
	}
	// Where the daemons are, which are not on everybody's path.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return 0, err
	}
	if err := install(ctx); err != nil {
		return 0, fmt.Errorf("no container engine: %w", err)
	}
	// A child of whose thread ends gets the signal, so the thread must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	networkReady, ready, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	box := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	box.Env = append(os.Environ(), boxVariable+"=1", "DOCKER_HOST="+defaultEngine)
	box.Stdout, box.Stderr, box.ExtraFiles = os.Stdout, os.Stderr, []*os.File{networkReady}
	box.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWCGROUP,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := box.Start(); err != nil {
		return 0, fmt.Errorf("no container engine: namespaces can't be made here (%w); start Docker, or run with more privileges", err)
	}
	network := exec.CommandContext(ctx, "slirp4netns", "--configure", "--mtu=1400", "--disable-host-loopback", "--ready-fd=3",
		strconv.Itoa(box.Process.Pid), "tap0")
	network.ExtraFiles = []*os.File{ready}
	network.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = network.Start()
	// Without a network, the box sees the end of the pipe and gives up.
	_, _ = networkReady.Close(), ready.Close()
	if err == nil {
		defer func() {
			_ = network.Process.Kill()
			_ = network.Wait()
		}()
	}
	err = box.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// install installs what is missing.
func install(ctx context.Context) error {
	var missing []string
	for program, name := range packages {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	advice := fmt.Errorf("install Debian's %s", strings.Join(missing, " "))
	if _, err := exec.LookPath("apt-get"); err != nil {
		return advice
	}
	// Debian's packages start their daemons, unless this program forbids it.
	const policy = "/usr/sbin/policy-rc.d"
	if f, err := os.OpenFile(policy, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755); err == nil {
		defer os.Remove(policy)
		_, err = io.WriteString(f, "#!/bin/sh\nexit 101\n")
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-install-recommends"}, missing...)} {
		if _, err := command(ctx, "apt-get", args...); err != nil {
			return fmt.Errorf("%w (%w)", advice, err)
		}
	}
	return nil
}

// startBox starts the engine from within.
func startBox(ctx context.Context) (stop func(), err error) {
	network := os.NewFile(3, "network")
	if n, _ := network.Read(make([]byte, 1)); n != 1 {
		return nil, errors.New("no container engine: slirp4netns has not made a network")
	}
	if err := mounts(); err != nil {
		return nil, fmt.Errorf("no container engine: %w", err)
	}
	cache, err := cacheFolder()
	if err != nil {
		return nil, err
	}
	lock, err := os.Create(filepath.Join(cache, "lock"))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		fmt.Println("waiting for another run to end")
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			return nil, err
		}
	}
	if err := temporary(filepath.Join(cache, "tmp")); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(cache, "dockerd.log"))
	if err != nil {
		return nil, err
	}
	// On 127.0.0.1 the engine takes a registry without TLS.
	engine := exec.CommandContext(ctx, "dockerd", "--data-root", filepath.Join(cache, "engine"), "--ip", "127.0.0.1")
	engine.Stdout, engine.Stderr = log, log
	if err := engine.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = engine.Wait()
	}()
	if err := answers(ctx, ended); err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("no container engine: %w: %s", err, lastLine(string(text)))
	}
	return func() {
		tidy(ctx)
		_ = engine.Process.Signal(syscall.SIGTERM)
		<-ended
		_ = lock.Close()
	}, tidy(ctx)
}

// temporary makes a folder that of all temporary files, without those of a run
// that was cut off.
func temporary(folder string) error {
	return errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o755), os.Setenv("TMPDIR", folder))
}

func answers(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if _, err := command(ctx, "docker", "version"); err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("dockerd has ended")
		case <-ctx.Done():
			return errors.New("dockerd does not answer")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// tidy removes what a run that was cut off has left, and the layers that no run
// has used for a while.
func tidy(ctx context.Context) error {
	ids, err := command(ctx, "docker", "ps", "--all", "--quiet")
	if ids != "" && err == nil {
		_, err = command(ctx, "docker", append([]string{"rm", "--force"}, strings.Fields(ids)...)...)
	}
	if err == nil {
		_, err = command(ctx, "docker", "image", "prune", "--force", "--filter", "until=48h")
	}
	return err
}

// mounts gives the box its own processes, runtime files, name server and
// cgroups.
func mounts() error {
	const cgroups = "/sys/fs/cgroup"
	resolver, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return err
	}
	// Who remounts what the host has must not change the host.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	var unified syscall.Statfs_t
	const cgroup2 = 0x63677270
	v2 := syscall.Statfs(cgroups, &unified) == nil && unified.Type == cgroup2
	_ = syscall.Unmount(cgroups, syscall.MNT_DETACH)
	for _, m := range []struct{ kind, target string }{{"proc", "/proc"}, {"tmpfs", "/run"}} {
		if err := syscall.Mount(m.kind, m.target, m.kind, 0, ""); err != nil {
			return fmt.Errorf("%s: %w", m.target, err)
		}
	}
	if err := nameServer(resolver); err != nil {
		return err
	}
	if v2 {
		return mountCgroup2(cgroups)
	}
	return mountCgroups(cgroups)
}

// nameServer names slirp4netns's, which asks the host's.
func nameServer(resolver string) error {
	const own = "/run/auth-watchdog-resolv.conf"
	for _, path := range []string{own, resolver} {
		if !strings.HasPrefix(path, "/run/") {
			return syscall.Mount(own, path, "", syscall.MS_BIND, "")
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte("nameserver 10.0.2.3\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// mountCgroups mounts each hierarchy of version 1 where the engine looks.
func mountCgroups(folder string) error {
	if err := syscall.Mount("cgroup", folder, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	text, err := os.ReadFile("/proc/cgroups")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 4 || f[3] != "1" {
			continue
		}
		target := filepath.Join(folder, f[0])
		if err := os.Mkdir(target, 0o755); err != nil {
			return err
		}
		// One that the host has in version 2 can't be mounted, nor used.
		if err := syscall.Mount("cgroup", target, "cgroup", 0, f[0]); err != nil {
			if err := os.Remove(target); err != nil {
				return err
			}
		}
	}
	return nil
}

// mountCgroup2 leaves the group itself without processes, so that containers can
// have limits below it; where that is not allowed, they have none.
func mountCgroup2(folder string) error {
	if err := syscall.Mount("cgroup2", folder, "cgroup2", 0, ""); err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	own := filepath.Join(folder, fmt.Sprintf("auth-watchdog-e2e-%d", time.Now().UnixNano()))
	if err := os.Mkdir(own, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte("0"), 0o644); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(folder, "cgroup.controllers"))
	for _, controller := range strings.Fields(string(text)) {
		_ = os.WriteFile(filepath.Join(folder, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
	}
	return err
}

// endsWithThis ends a process with this one, even if that is killed.
func endsWithThis() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
