package main

import (
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"auth-watchdog/watchdog/internal/account"
)

var userListCommand = command{
	name: "user list", args: "--file F",
	meaning: "list the users of a file, without what they sign in with",
	example: `  auth-watchdog user list --file users.yaml`,
	run:     userList,
}

func userList(p *program, fs *flag.FlagSet, args []string) error {
	path := fs.String("file", "", "the file with the users")
	_, err := parse(fs, args, 0)
	switch {
	case err != nil:
		return err
	case *path == "":
		return misused("user list: want --file, in which the users are")
	}
	f, err := loadUsers("user list", *path)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "NAME\tROLES\tSECOND FACTOR\tRECOVERY CODES\tDISABLED\tEXPIRES\n")
	for _, u := range f.Users().All() {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", u.Name, rolesOf(u), yesNo(!u.TOTP.IsZero()), len(u.Recovery), yesNo(u.Disabled), expiryOf(u))
	}
	return t.Flush()
}

func rolesOf(u *account.User) string {
	if len(u.Roles) == 0 {
		return "–"
	}
	return strings.Join(u.Roles, ",")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func expiryOf(u *account.User) string {
	if u.Expires.IsZero() {
		return "never"
	}
	return u.Expires.UTC().Format(time.RFC3339)
}
