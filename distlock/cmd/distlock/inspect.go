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

	"github.com/distlock/distlock-go/distlock"
)

func newInspect(backend *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect NAME",
		Short: "Show who holds a name and who waits for it",
		Long: `Show who holds the lock, the reader-writer lock and the semaphore NAME, and who
waits for them, in order of service where the backend knows it. What is shown was
true when the backend was asked.`,
		Example: `  distlock inspect nightly-report
  distlock inspect --json nightly-report | jq '.[].holders[].owner.pid'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := ask(cmd.Context(), *backend, func(ctx context.Context, i distlock.Inspector) ([]distlock.Status, error) {
				return i.Inspect(ctx, args[0])
			})
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
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of objects")
	return cmd
}

func newList(backend *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List what is held or waited for",
		Long:  `List every object that is held or waited for and whose name begins with PREFIX.`,
		Example: `  distlock ls
  distlock ls --json nightly-`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := ask(cmd.Context(), *backend, func(ctx context.Context, i distlock.Inspector) ([]distlock.Status, error) {
				return i.List(ctx, strings.Join(args, ""))
			})
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(os.Stdout, all)
			}
			return printList(os.Stdout, all, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of objects")
	return cmd
}

// ask opens the backend and has question asked.
func ask(ctx context.Context, backend string, question func(context.Context, distlock.Inspector) ([]distlock.Status, error)) ([]distlock.Status, error) {
	p, err := open(ctx, backend, "")
	if err != nil {
		return nil, err
	}
	defer func() { warn(p.Close()) }()
	inspector, ok := p.(distlock.Inspector)
	if !ok {
		return nil, &exitError{code: codeUnavailable, err: fmt.Errorf("the backend cannot tell who holds what")}
	}
	return question(ctx, inspector)
}

// printJSON prints an array, in which no list is null.
func printJSON(w io.Writer, all []distlock.Status) error {
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
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(list)
}

// printList prints a line for each object.
func printList(w io.Writer, all []distlock.Status, now time.Time) error {
	if len(all) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tKIND\tHOLDERS\tWAITERS\tHELD BY\tFOR")
	for _, s := range all {
		by, since := "-", "-"
		if len(s.Holders) > 0 {
			by, since = owner(s.Holders[0].Owner), held(s.Holders[0].Since, now)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", show(s.Name), s.Kind, count(s), len(s.Waiters), by, since)
	}
	return t.Flush()
}

// printDetails prints a line for each holder and waiter.
func printDetails(w io.Writer, all []distlock.Status, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range all {
		fmt.Fprintf(t, "%s (%s): %s held, %d waiting\n", show(s.Name), s.Kind, count(s), len(s.Waiters))
		for _, h := range s.Holders {
			fmt.Fprintf(t, "  held by\t%s\tfor %s%s\t%s%s\n", owner(h.Owner), held(h.Since, now), shared(h.Shared), token(h.Token), until(h.Until, now))
		}
		for _, x := range s.Waiters {
			fmt.Fprintf(t, "  waiting\t%s\tfor %s%s\t\n", owner(x.Owner), held(x.Since, now), shared(x.Shared))
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

func owner(o distlock.Owner) string { return printable(o.String()) }

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
