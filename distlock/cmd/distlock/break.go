package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/distlock/distlock-go/distlock"
)

// A breaking is one distlock break.
type breaking struct {
	name   string
	kind   kindFlag // "": the only one that is held
	yes    bool
	asJSON bool
}

// A broken is what distlock break --json prints.
type broken struct {
	Name   string        `json:"name"`
	Kind   distlock.Kind `json:"kind,omitempty"`
	Broken int           `json:"broken"` // holds that were ended
}

func newBreak(backend *string) *cobra.Command {
	b := &breaking{}
	cmd := &cobra.Command{
		Use:   "break [flags] NAME",
		Short: "End the holds of others",
		Long: `End every hold on NAME, whoever has it, and let the next one in. This is an
operator's last resort, for a holder that cannot be reached.

A holder that is alive goes on until it notices: distlock run ends its command,
and a program sees its handle lost, but what it writes until then only a fencing
token keeps out. On PostgreSQL the whole sessions of the holders are ended, with
everything else that they hold.

It shows the holders and asks first. Without a terminal it needs --yes.

If several kinds of object of that name are held, --kind says which to break.

Exit codes:
  0    the holds were ended, or there were none
  1    you said no
  64   the command line, NAME or the URL is not right, or --yes is missing
  69   the backend cannot be used, or cannot end holds
  70   anything else that went wrong`,
		Example: `  distlock break nightly-report
  distlock break --kind semaphore --yes encoders
  distlock break --yes --json nightly-report | jq .broken`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b.name = args[0]
			return withProvider(cmd.Context(), *backend, func(p distlock.Provider) error { return b.run(cmd.Context(), p) })
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&b.yes, "yes", "y", false, "do not ask")
	f.Var(&b.kind, "kind", "break the lock, the rwlock or the semaphore NAME")
	f.BoolVar(&b.asJSON, "json", false, "print a JSON object; needs --yes")
	choices(cmd, "kind", distlock.KindLock, distlock.KindRWLock, distlock.KindSemaphore)
	return cmd
}

func (b *breaking) run(ctx context.Context, p distlock.Provider) error {
	breaker, ok := p.(distlock.Breaker)
	if !ok {
		return &exitError{code: codeUnavailable, err: errors.New("the backend cannot end the holds of others")}
	}
	if !b.yes && (b.asJSON || !term.IsTerminal(int(os.Stdin.Fd()))) {
		return usage("nothing was broken: without a terminal to ask on, give --yes")
	}
	held, err := b.held(ctx, p)
	switch {
	case err != nil:
		return err
	case len(held) == 0:
		return b.report(broken{Name: b.name, Kind: distlock.Kind(b.kind)})
	case len(held) > 1:
		return usage("nothing was broken: %s is held as %s; say which with --kind", show(b.name), kinds(held))
	}
	if !b.yes {
		if err := b.ask(os.Stdin, os.Stdout, held); err != nil {
			return err
		}
	}
	n, err := breaker.Break(ctx, held[0].Kind, b.name)
	if err != nil {
		return err
	}
	return b.report(broken{Name: b.name, Kind: held[0].Kind, Broken: n})
}

// held returns what is held under the name, of the kind that was asked for.
func (b *breaking) held(ctx context.Context, p distlock.Provider) ([]distlock.Status, error) {
	inspector, ok := p.(distlock.Inspector)
	if !ok {
		return nil, errNoInspector()
	}
	all, err := inspector.Inspect(ctx, b.name)
	return slices.DeleteFunc(all, func(s distlock.Status) bool {
		return len(s.Holders) == 0 || b.kind != "" && s.Kind != distlock.Kind(b.kind)
	}), err
}

// ask shows the holders and wants a yes.
func (b *breaking) ask(in io.Reader, out io.Writer, held []distlock.Status) error {
	if err := printDetails(out, held, time.Now()); err != nil {
		return err
	}
	fmt.Fprint(out, "End it? The holder goes on until it notices. [y/N] ")
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(out)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &exitError{code: codeBusy, err: errors.New("nothing was broken")}
}

func (b *breaking) report(done broken) error {
	switch {
	case b.asJSON:
		return json.NewEncoder(os.Stdout).Encode(done)
	case done.Broken == 0:
		fmt.Printf("%s is free\n", show(b.name))
	case done.Broken == 1:
		fmt.Printf("%s (%s): 1 hold was ended\n", show(b.name), done.Kind)
	default:
		fmt.Printf("%s (%s): %d holds were ended\n", show(b.name), done.Kind, done.Broken)
	}
	return nil
}

func kinds(all []distlock.Status) string {
	var names []string
	for _, s := range all {
		names = append(names, string(s.Kind))
	}
	return strings.Join(names, " and ")
}

// A kindFlag is a flag that names a kind of object.
type kindFlag distlock.Kind

// String, Set and Type make it a flag.
func (k *kindFlag) String() string { return string(*k) }
func (k *kindFlag) Type() string   { return "lock|rwlock|semaphore" }
func (k *kindFlag) Set(s string) error {
	switch distlock.Kind(s) {
	case distlock.KindLock, distlock.KindRWLock, distlock.KindSemaphore:
		*k = kindFlag(s)
		return nil
	}
	return errors.New("must be lock, rwlock or semaphore")
}
