package file

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/distlock/distlock-go/core"
)

var kinds = []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"invoice:42":                     "invoice_42-",
		"../../etc/passwd":               "______etc_passwd-",
		"CON":                            "con-",
		"-rf":                            "_rf-",
		strings.Repeat("x", 65535):       "xxxxxxxxxxxxxxxxxxxx-",
		"\x00\n\t":                       "___-",
		"ÄÖÜ":                            "___-",
		"a.":                             "a_-",
		"name with a long beginning (1)": "name_with_a_long_beg-",
	} {
		if got := newObject(core.KindLock, name).main; !strings.HasPrefix(got, want) {
			t.Errorf("the file of %.40q is %s; it should begin with %s", name, got, want)
		}
	}
	// The files of what was locked must be found again, by every later version.
	for o, want := range map[object]string{
		newObject(core.KindLock, "a"):      "a-xgtoeee3jazia4ajr3j2gvmpxdwf5qbp.lock",
		newObject(core.KindRWLock, "a"):    "a-r6zm3k63ukkzqiqy6g4zf6d3xx3uy5ro.rw",
		newObject(core.KindSemaphore, "a"): "a-afaos2qfavqpxjok2ykdus3pzyaekln3.sem",
	} {
		if o.main != want {
			t.Errorf("the file of the %s %q is %s; it was %s", o.kind, o.name, o.main, want)
		}
	}
}

// Scenarios 43, 119, 81 and 82: different names have different files, also where
// case makes no difference, and every file name is valid everywhere.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"a", "A", "a.", "a ", "CON", "nul", "COM1.txt", "..", "/", "\\", "a\x00b", "\u00e9", "e\u0301", "\u202e", strings.Repeat("x", 300)} {
		f.Add(s, "b")
		f.Add(s, s+" ")
		f.Add(s, strings.ToUpper(s))
	}
	reserved := []string{"con", "prn", "aux", "nul", "com1", "lpt1"}
	valid := ours()
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" {
			t.Skip("no name is empty")
		}
		seen := make(map[string]bool)
		for _, kind := range kinds {
			for _, name := range slices.Compact([]string{a, b}) {
				o := newObject(kind, name)
				for _, file := range slices.Compact([]string{o.main, o.gate, o.permit(0), o.permit(1 << 30)}) {
					if seen[strings.ToLower(file)] {
						t.Errorf("%s is the file of two", file)
					}
					seen[strings.ToLower(file)] = true
					stem, _, _ := strings.Cut(file, ".")
					if !valid.MatchString(file) || len(file) > 80 || filepath.Base(file) != file || slices.Contains(reserved, stem) {
						t.Errorf("%q is no good name for a file", file)
					}
				}
			}
		}
	})
}
