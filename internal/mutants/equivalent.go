package mutants

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// ReadEquivalent reads a list for [Search.Equivalent]: a mutant and its reason on each
// line, with " # " between the two. Without a file there are none.
func ReadEquivalent(file string) (map[string]string, error) {
	known := make(map[string]string)
	if file == "" {
		return known, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		mutant, reason, _ := strings.Cut(line, " # ")
		mutant, reason = strings.TrimSpace(mutant), strings.TrimSpace(reason)
		if reason == "" {
			return nil, fmt.Errorf("%s: %q gives no reason", file, line)
		}
		if known[mutant] != "" {
			return nil, fmt.Errorf("%s: %q is there twice", file, mutant)
		}
		known[mutant] = reason
	}
	return known, lines.Err()
}
