package watchdog

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"auth-watchdog/watchdog/auth"
	"auth-watchdog/watchdog/internal/setting"
)

// A Report is what a watchdog would do with a configuration.
type Report struct {
	Warnings []string

	rules   []auth.Rule
	kinds   map[string]string // of methods
	secrets map[string][]string
}

// Check builds what [New] would and starts nothing. With noSecrets it reads no
// secret, as at the build of an image where there is none. The error is that
// of New.
func Check(o Options, noSecrets bool) (*Report, error) {
	cfg, err := load(o)
	var ps setting.Problems
	if err != nil {
		errors.As(err, &ps)
	}
	w := &Watchdog{config: cfg, kept: newKept(cfg)}
	var policy *builtPolicy
	if noSecrets {
		if policy, err = buildPolicy(cfg.Policy, nil, w.kept); err != nil {
			addJoined(&ps, err)
		}
	} else {
		_, policy = w.first(&ps, secretNames(cfg.Policy))
	}
	if err := ps.Err(); err != nil {
		return nil, err
	}
	r := &Report{Warnings: policy.warnings(cfg), rules: policy.Rules(), kinds: map[string]string{}, secrets: map[string][]string{}}
	for _, m := range cfg.Policy.Methods {
		r.kinds[m.Name] = m.Type
		if s, ok := m.Section.(section); ok {
			r.secrets[m.Name] = s.Secrets()
		}
	}
	return r, nil
}

// WriteTo writes the effective policy as a table, a line for each rule and
// each credential that it takes.
func (r *Report) WriteTo(out io.Writer) (int64, error) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\tADMITS\tSECRET\tCREDENTIAL\tSCOPES\tEXPIRES")
	for _, rule := range r.rules {
		if rule.Public {
			fmt.Fprintf(t, "%s\teverybody\t–\t–\t–\t–\n", rule.Match)
		}
		for i, m := range append(rule.Accept, rule.All...) {
			admits := fmt.Sprintf("%s (%s)", m.Name(), r.kinds[m.Name()])
			if len(rule.All) > 0 && i > 0 {
				admits = "and " + admits
			}
			r.credentials(t, rule.Match, admits, m)
		}
		if q := require(rule.Require); q != "" {
			fmt.Fprintf(t, "%s\t%s\t\t\t\t\n", rule.Match, q)
		}
	}
	_ = t.Flush() // a strings.Builder never fails
	table := trailing.ReplaceAllString(b.String(), "")
	b.Reset()
	b.WriteString(table)
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	n, err := io.WriteString(out, b.String())
	return int64(n), err
}

// trailing is what a table has behind its last words.
var trailing = regexp.MustCompile(`(?m) +$`)

// most is how many credentials of a method are listed.
const most = 20

func (r *Report) credentials(t io.Writer, match, admits string, m auth.Method) {
	k, ok := m.(auth.Keeper)
	if !ok {
		fmt.Fprintf(t, "%s\t%s\t%s\tnot read\t\t\n", match, admits, strings.Join(r.secrets[m.Name()], ", "))
		return
	}
	list := k.Credentials()
	for i, c := range list {
		if i == most {
			fmt.Fprintf(t, "%s\t%s\t\tand %d more\t\t\n", match, admits, len(list)-most)
			break
		}
		expires, scopes := "never", "–"
		if !c.Expires.IsZero() {
			expires = c.Expires.Format(time.RFC3339)
		}
		if len(c.Scopes) > 0 {
			scopes = strings.Join(c.Scopes, ",")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", match, admits, c.Secret, c.Key, scopes, expires)
	}
}

func require(q auth.Requirement) string {
	var parts []string
	if len(q.Subjects) > 0 {
		parts = append(parts, "requires subject "+strings.Join(q.Subjects, " or "))
	}
	if len(q.Scopes) > 0 {
		parts = append(parts, "requires scopes "+strings.Join(q.Scopes, " and "))
	}
	return strings.Join(parts, ", ")
}
