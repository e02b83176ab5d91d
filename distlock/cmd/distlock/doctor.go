package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func newDoctor(backend *string) *cobra.Command {
	var asJSON bool
	timeout := 30 * time.Second
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out whether locks can be relied upon here, and what to mend",
		Long: `Examine the backend: connect, take and release a lock, and look for what would
make locks unsafe, slow or impossible. What is wrong is said together with its
cure:

  files       no right to write, a file system that does not lock, or is shared
              by machines (waiters poll), too few inotify watches
  PostgreSQL  a connection pooler, a standby, no right to the sequence of the
              tokens, a lock table that is too small or nearly full, a server that
              may forget tokens in a crash
  Redis       an eviction policy that drops locks, a replica, a cluster that is
              not used as one, missing rights, messages that do not arrive
  RedLock     the same for each server; servers that are down or do not vote yet,
              that forget votes in a crash, or whose clocks differ

It leaves behind what any first lock would: the directory, or the sequence of the
tokens on PostgreSQL. A password is never shown.

Exit codes:
  0    healthy
  1    locks can be had, or soon will be, but there are warnings
  64   the command line or the URL is not right
  69   locks cannot be had there`,
		Example: `  distlock doctor
  DISTLOCK_URL=postgres://locks@db/app distlock doctor
  distlock doctor --backend 'redis://a,b,c/?mode=redlock' --json | jq -r '.warnings[]'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return usage("--timeout must be longer than 0")
			}
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, fmt.Errorf("--timeout %v", timeout))
			defer cancel()
			d, err := examine(ctx, *backend)
			if err != nil {
				return err
			}
			if asJSON {
				out := json.NewEncoder(os.Stdout)
				out.SetIndent("", "  ")
				err = out.Encode(d)
			} else {
				err = d.print(os.Stdout, styleOf(os.Stdout))
			}
			if err == nil && d.Verdict != healthy {
				err = &exitError{code: map[verdict]int{ailing: codeBusy, unusable: codeUnavailable}[d.Verdict]}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object: url, backend, verdict, facts, warnings, error, cure")
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "give up after `DURATION`")
	return cmd
}

// A verdict is the short form of a diagnosis.
type verdict string

// The verdicts.
const (
	healthy  verdict = "healthy"
	ailing   verdict = "warnings"
	unusable verdict = "unusable"
)

// A diagnosis is what was found out about a backend.
type diagnosis struct {
	URL      string   `json:"url"` // without user, password and parameters
	Backend  string   `json:"backend"`
	Verdict  verdict  `json:"verdict"`
	Facts    facts    `json:"facts"`
	Warnings []string `json:"warnings"`
	Error    string   `json:"error,omitempty"`
	Cure     string   `json:"cure,omitempty"` // where the error does not name it itself
}

// A fact is one line of a diagnosis. As JSON, facts are one object.
type fact struct{ name, value string }

type facts []fact

// MarshalJSON implements json.Marshaler.
func (f facts) MarshalJSON() ([]byte, error) {
	m := make(map[string]string, len(f))
	for _, one := range f {
		m[strings.ReplaceAll(one.name, " ", "_")] = one.value
	}
	return json.Marshal(m)
}

func (d *diagnosis) know(name, format string, args ...any) {
	d.Facts = append(d.Facts, fact{name, fmt.Sprintf(format, args...)})
}

// print writes the diagnosis for people.
func (d *diagnosis) print(w io.Writer, s style) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "backend\t%s\n", d.Backend)
	fmt.Fprintf(t, "url\t%s\n", printable(d.URL))
	for _, f := range d.Facts {
		fmt.Fprintf(t, "%s\t%s\n", f.name, printable(f.value))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, warning := range d.Warnings {
		fmt.Fprintf(w, "%s %s\n", s.warn("warning:"), lined(warning))
	}
	switch d.Verdict {
	case unusable:
		fmt.Fprintf(w, "%s %s\n", s.bad("unusable:"), lined(d.Error))
		if d.Cure != "" {
			fmt.Fprintf(w, "%s %s\n", s.bad("cure:"), d.Cure)
		}
	case ailing:
		fmt.Fprintln(w, s.warn("not healthy: see the warnings"))
	case healthy:
		fmt.Fprintln(w, s.good("healthy"))
	}
	return nil
}

// lined returns a text that may have several lines, such as SQL to run, without
// what could steer a terminal and with later lines set in.
func lined(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n    ")
}
