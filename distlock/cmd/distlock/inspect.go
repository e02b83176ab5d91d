package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/distlock/distlock-go/distlock"
)

func newInspect(backend *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect NAME",
		Short: "Show who holds a name and who waits for it",
		Long: `Show who holds the lock, the reader-writer lock and the semaphore NAME, and who
waits for them, in order of service where the backend knows it. What is shown was
true when the backend was asked.

Exit codes: 0, also if nobody holds it; 64, 69 or 70 as those of distlock run.`,
		Example: `  distlock inspect nightly-report
  distlock inspect --json nightly-report | jq '.[].holders[].owner.pid'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withInspector(cmd.Context(), *backend, func(i distlock.Inspector) error {
				all, err := i.Inspect(cmd.Context(), args[0])
				switch {
				case err != nil:
					return err
				case asJSON:
					return printJSON(os.Stdout, all)
				case len(all) == 0:
					fmt.Printf("%s is free\n", show(args[0]))
					return nil
				}
				return printDetails(os.Stdout, all, time.Now())
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of objects")
	return cmd
}

func newList(backend *string) *cobra.Command {
	var asJSON, watching bool
	interval := time.Second
	cmd := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List what is held or waited for",
		Long: `List every object that is held or waited for and whose name begins with PREFIX.

With --watch it goes on until it is interrupted: on a terminal the list is shown
in place, elsewhere it is printed whenever it has changed, with --json as one
array a line.

PostgreSQL knows the keys of locks and not their names, so there the list shows
keys; distlock inspect NAME finds the key of a name.

Exit codes: 0, also if nothing is held; 64, 69 or 70 as those of distlock run. With
--watch, a backend that goes away is told of and waited for.`,
		Example: `  distlock ls
  distlock ls --watch
  distlock ls --json nightly- | jq -r '.[].name'
  distlock ls --watch --json | jq --unbuffered 'map(.waiters | length) | add'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if interval <= 0 {
				return usage("--interval must be longer than 0")
			}
			return withInspector(cmd.Context(), *backend, func(i distlock.Inspector) error {
				list := func(ctx context.Context) ([]distlock.Status, error) { return i.List(ctx, strings.Join(args, "")) }
				if watching {
					w := &watch{out: os.Stdout, errs: os.Stderr, live: isTerminal(os.Stdout) && !asJSON,
						style: styleOf(os.Stdout), rows: rows, asJSON: asJSON, list: list}
					return w.run(cmd.Context(), interval)
				}
				all, err := list(cmd.Context())
				switch {
				case err != nil:
					return err
				case asJSON:
					return printJSON(os.Stdout, all)
				}
				var page strings.Builder
				if err := printList(&page, all, time.Now()); err != nil {
					return err
				}
				fmt.Print(styleOf(os.Stdout).heading(page.String()))
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&watching, "watch", "w", false, "go on, and show what changes")
	f.DurationVar(&interval, "interval", interval, "how often --watch looks, as a `DURATION`")
	f.BoolVar(&asJSON, "json", false, "print a JSON array of objects")
	return cmd
}

// withProvider opens the backend for the length of a function.
func withProvider(ctx context.Context, backend string, f func(distlock.Provider) error) error {
	p, err := open(ctx, backend, "")
	if err != nil {
		return err
	}
	defer func() { warn(p.Close()) }()
	return f(p)
}

// withInspector is withProvider for a question.
func withInspector(ctx context.Context, backend string, f func(distlock.Inspector) error) error {
	return withProvider(ctx, backend, func(p distlock.Provider) error {
		i, ok := p.(distlock.Inspector)
		if !ok {
			return errNoInspector()
		}
		return f(i)
	})
}

func errNoInspector() error {
	return &exitError{code: codeUnavailable, err: errors.New("the backend cannot tell who holds what")}
}

// printJSON prints an array.
func printJSON(w io.Writer, all []distlock.Status) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(complete(all))
}

// complete returns a copy in which no list is null.
func complete(all []distlock.Status) []distlock.Status {
	list := make([]distlock.Status, len(all))
	for i, s := range all {
		list[i] = s
		if s.Holders == nil {
			list[i].Holders = []distlock.Holder{}
		}
		if s.Waiters == nil {
			list[i].Waiters = []distlock.Waiter{}
		}
	}
	return list
}

// printList prints a line for each object.
func printList(w io.Writer, all []distlock.Status, now time.Time) error {
	if len(all) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tKIND\tHOLDERS\tWAITERS\tHELD BY\tFOR")
	for _, s := range all {
		by, since, kind := "-", "-", "-" // A backend that knows only keys knows no kinds.
		if s.Kind != "" {
			kind = string(s.Kind)
		}
		if len(s.Holders) > 0 {
			by, since = s.Holders[0].Owner.String(), held(s.Holders[0].Since, now)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", show(s.Name), kind, count(s), len(s.Waiters), by, since)
	}
	return t.Flush()
}

// printDetails prints a line for each holder and waiter.
func printDetails(w io.Writer, all []distlock.Status, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range all {
		fmt.Fprintf(t, "%s (%s): %s held, %d waiting\n", show(s.Name), s.Kind, count(s), len(s.Waiters))
		for _, h := range s.Holders {
			fmt.Fprintf(t, "  held by\t%s\tfor %s%s\t%s%s\n", h.Owner, held(h.Since, now), shared(h.Shared), token(h.Token), until(h.Until, now))
		}
		for _, x := range s.Waiters {
			fmt.Fprintf(t, "  waiting\t%s\tfor %s%s\t\n", x.Owner, held(x.Since, now), shared(x.Shared))
		}
	}
	return t.Flush()
}

// count is the number of holders, of a semaphore out of its limit.
func count(s distlock.Status) string {
	if s.Limit > 0 {
		return fmt.Sprintf("%d of %d", len(s.Holders), s.Limit)
	}
	return fmt.Sprint(len(s.Holders))
}

// printable takes what could steer a terminal out of what another program said.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func held(since, now time.Time) string {
	if since.IsZero() {
		return "unknown"
	}
	return age(since, now)
}

func shared(yes bool) string {
	if yes {
		return ", shared"
	}
	return ""
}

func token(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("token %d", n)
}

func until(lease, now time.Time) string {
	if lease.IsZero() {
		return ""
	}
	return ", lease ends in " + age(now, lease)
}
