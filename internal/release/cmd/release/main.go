// Release prepares a release of all modules. Without -yes it only says what it
// would do. It never pushes: it prints the commands that do.
//
//	go run ./internal/release/cmd/release -version v0.2.0 [-yes | -verify | -notes]
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/distlock/distlock-go/internal/release"
)

func main() {
	version := flag.String("version", "", "the version of the release, such as v0.2.0")
	yes := flag.Bool("yes", false, "make the commit and the tags, instead of saying what would be done")
	verify := flag.Bool("verify", false, "check the tags of a release that was made")
	notes := flag.Bool("notes", false, "print what the changelog says of it")
	flag.Parse()
	var err error
	switch {
	case *verify:
		err = release.Verify(".", *version)
	case *notes:
		var text string
		text, err = release.Notes(".", *version)
		fmt.Println(text)
	default:
		err = run(".", *version, *yes)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(root, version string, yes bool) error {
	if err := release.CheckVersion(version); err != nil {
		return err
	}
	modules, err := release.Modules(root)
	if err != nil {
		return err
	}
	var tags []string
	for _, m := range modules {
		tags = append(tags, m.Tag(version))
	}
	if !yes {
		fmt.Println("Dry run; -yes does it. On a commit beside HEAD, siblings would be required at",
			version, "without replace lines, and tagged:")
	} else if tags, err = release.Commit(root, version); err != nil {
		return err
	}
	for _, tag := range tags {
		fmt.Println("  " + tag)
	}
	first, last := release.PushOrder(tags)
	fmt.Println("Publish with: git push --atomic origin", strings.Join(first, " "))
	fmt.Println("and then:     git push origin", last)
	return nil
}
