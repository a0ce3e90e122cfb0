package main

import (
	"flag"
	"fmt"

	"auth-watchdog/watchdog/internal/totp"
)

var userRecoveryCommand = command{
	name: "user recovery", args: "NAME --file F",
	meaning: "make codes for a user whose authenticator app is lost",
	example: `  auth-watchdog user recovery alice --file users.yaml     # those before are no longer good
  faas-cli secret update users --from-file=users.yaml`,
	run: userRecovery,
}

const recoveryCodes = 10

func userRecovery(p *program, fs *flag.FlagSet, args []string) error {
	e, err := userArgs(fs, args)
	if err != nil {
		return err
	}
	if err := e.load(); err != nil {
		return err
	}
	codes := make([]string, recoveryCodes)
	for i := range codes {
		codes[i] = totp.NewRecoveryCode()
	}
	if err := e.save(e.file.SetRecovery(e.name, codes)); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "The recovery codes of %s, which are shown only now. Each is good once:\n\n", e.name)
	for _, code := range codes {
		fmt.Fprintf(p.stdout, "  %s\n", code)
	}
	fmt.Fprintf(p.stdout, "\nTheir digests are in %s, in place of those before.\n", e.path)
	return nil
}
