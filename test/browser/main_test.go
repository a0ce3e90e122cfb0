// Package browser holds what only a browser can tell: the pages of sign-in and
// the sessions behind them, in Chromium. It is a module of its own, so that the
// product needs nothing of that.
package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

var shots = flag.String("shots", "", "a folder for pictures of the pages")

var (
	command  string          // the path of auth-watchdog, built once for all tests
	identity certificate     // of all hosts
	chromium context.Context // the browser; each test has a profile of its own in it
)

func TestMain(m *testing.M) { os.Exit(browserMain(m)) }

func browserMain(m *testing.M) int {
	flag.Parse()
	folder, err := os.MkdirTemp("", "auth-watchdog-browser-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)

	command = filepath.Join(folder, "auth-watchdog")
	build := exec.Command("go", "build", "-o", command, "./watchdog/cmd/auth-watchdog")
	build.Dir, build.Stderr = filepath.Join("..", ".."), os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", build, err)
		return 1
	}
	if identity, err = newCertificate(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.UserDataDir(filepath.Join(folder, "profile")),
		chromedp.NoSandbox, // which root cannot have
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		// Every test's host is here, and nothing else is anywhere.
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", identity.pin),
		// Pages over plain http stay what they are.
		chromedp.Flag("disable-features", "HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,Translate,OptimizationHints,MediaRouter"),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), flags...)
	defer stop()
	ctx, closeBrowser := chromedp.NewContext(allocator)
	defer closeBrowser()
	if err := chromedp.Run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "Chromium: %v; install Debian's package chromium\n", err)
		return 1
	}
	chromium = ctx
	return m.Run()
}
