package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/distlock/distlock-go/distlock"
)

// mostCompletion is how long a shell may wait for names.
const mostCompletion = 2 * time.Second

// completeNames offers the names that are held or waited for, as the first
// argument only. It says nothing of what goes wrong: somebody is typing.
func completeNames(backend *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, mostCompletion)
		defer cancel()
		var names []string
		_ = withInspector(ctx, *backend, func(i distlock.Inspector) error {
			all, err := i.List(ctx, prefix)
			names = completions(all)
			return err
		})
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completions returns each name once, with what a shell may show beside it. A
// backend that does not know names has keys without a kind, and a name with a
// line break cannot be completed.
func completions(all []distlock.Status) []string {
	var names []string
	for i, s := range all {
		if s.Kind == "" || strings.ContainsFunc(s.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			continue
		}
		if i > 0 && all[i-1].Name == s.Name {
			continue
		}
		names = append(names, cobra.CompletionWithDesc(s.Name, string(s.Kind)+" held by "+count(s)))
	}
	return names
}

// choices has the shell offer the values of a flag.
func choices[T ~string](cmd *cobra.Command, flag string, values ...T) {
	var all []string
	for _, v := range values {
		all = append(all, string(v))
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // There is no such flag.
	}
}
