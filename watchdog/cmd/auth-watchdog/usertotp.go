package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
	"rsc.io/qr"

	"auth-watchdog/watchdog/internal/account"
	"auth-watchdog/watchdog/internal/totp"
)

var userTOTPCommand = command{
	name: "user totp", args: "NAME --file F [--off] [--issuer I] [--format yaml]",
	meaning: "give a user a second factor, for an authenticator app",
	example: `  auth-watchdog user totp alice --file users.yaml --issuer Reports
  faas-cli secret update users --from-file=users.yaml`,
	run: userTOTP,
}

const defaultIssuer = "auth-watchdog"

func userTOTP(p *program, fs *flag.FlagSet, args []string) error {
	off := fs.Bool("off", false, "take the second factor and the recovery codes away")
	issuer := fs.String("issuer", defaultIssuer, "what the app says that its codes are for")
	format := fs.String("format", "", "yaml makes YAML of a file of lines")
	e, err := userArgs(fs, args)
	if err != nil {
		return err
	}
	if err := e.load(); err != nil {
		return err
	}
	if err := e.toYAML(*format); err != nil {
		return err
	}
	if *off {
		if err := e.save(e.file.SetTOTP(e.name, nil)); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "%s in %s has no second factor now. A password alone needs %d characters: auth-watchdog user passwd %s --file %s sets another.\n",
			e.name, e.path, shortestAlone, e.name, e.path)
		return nil
	}
	if e.file.Form() != account.YAML { // before anybody is asked
		return e.save(account.ErrLines)
	}
	seed, err := p.newSeed(e.command, e.name, *issuer)
	if err != nil {
		return err
	}
	if err := e.save(e.file.SetTOTP(e.name, seed)); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s in %s has a new second factor.\n", e.name, e.path)
	p.sayRecovery(e.name, e.path)
	return nil
}

func (p *program) sayRecovery(name, path string) {
	fmt.Fprintf(p.stdout, "Codes for when the app is lost: auth-watchdog user recovery %s --file %s\n", name, path)
}

// newSeed makes a seed, shows it and asks for a code of it.
func (p *program) newSeed(command, name, issuer string) ([]byte, error) {
	seed := totp.NewSeed()
	uri, err := totp.URI(issuer, name, seed)
	if err != nil {
		return nil, misused("%s: --issuer=%q: %w", command, issuer, err)
	}
	code, err := qr.Encode(uri, qr.M)
	if err != nil {
		return nil, misused("%s: --issuer=%q: is too long for a QR code", command, issuer)
	}
	fmt.Fprintf(p.stdout, "For the authenticator app, shown only now:\n\n%s\n%s\n\n", p.drawing(code), uri)
	return seed, p.confirm(command, seed)
}

// confirm asks for a code until one is right, three times at most. Where there
// is no terminal, and no line, nobody is asked.
func (p *program) confirm(command string, seed []byte) error {
	const tries = 3
	terminal := term.IsTerminal(int(p.stdin.Fd()))
	for i := range tries {
		if terminal {
			fmt.Fprint(p.stderr, "Code that the app shows: ")
		}
		code, given, err := p.line()
		if err != nil {
			return err
		}
		if !given && i == 0 && !terminal {
			return nil
		}
		if !given {
			break
		}
		if _, ok := totp.Match(seed, strings.ReplaceAll(strings.TrimSpace(code), " ", ""), time.Now()); ok {
			return nil
		}
	}
	return fmt.Errorf("%s: that is not the code that the app shows now; nothing was written. If it was, the clock here or there is wrong", command)
}

// drawing is a QR code of half blocks. On a terminal it is black on white
// whatever the colours there; otherwise the light parts are drawn, as for a
// dark background.
func (p *program) drawing(code *qr.Code) string {
	begin, end := "", "\n"
	if f, ok := p.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		begin, end = "\x1b[97;40m", "\x1b[0m\n"
	}
	var b strings.Builder
	for _, line := range halfBlocks(code) {
		b.WriteString(begin + line + end)
	}
	return b.String()
}

// quiet is how many modules around a QR code have to be light.
const quiet = 4

// halfBlocks draws two rows of modules in a line, the light ones in the
// foreground.
func halfBlocks(code *qr.Code) []string {
	var lines []string
	for y := -quiet; y < code.Size+quiet; y += 2 {
		var b strings.Builder
		for x := -quiet; x < code.Size+quiet; x++ {
			// Outside of the code everything is light.
			upper, lower := !code.Black(x, y), !code.Black(x, y+1) && y+1 < code.Size+quiet
			b.WriteRune([]rune(" ▄▀█")[btoi(upper)*2+btoi(lower)])
		}
		lines = append(lines, b.String())
	}
	return lines
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
