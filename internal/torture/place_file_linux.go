package torture

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// files is a directory, on a disk of its own that can be filled where this process
// may mount one. Who meddles with the files is a bystander: a hold on a file that
// was removed must say so at once.
func (p *place) files() error {
	dir, err := os.MkdirTemp("", "torture")
	if err != nil {
		return err
	}
	p.close = append(p.close, func() error { return os.RemoveAll(dir) })
	v, err := mount("16m")
	switch {
	case err == nil:
		p.close = append(p.close, v.Close)
		dir, p.disk = v.path, false
		p.harms = append(p.harms, harm{harmKind{disk, "for files"}, 1, func() error { return v.fill(100 * time.Millisecond) }})
	case !errors.Is(err, unix.EPERM):
		return err
	}
	p.url, p.patience = "file://"+dir+"/locks", 500*time.Millisecond
	p.harms = append(p.harms, harm{harmKind{data, "up to ten files meddled with"}, 5, func() error {
		for range 10 {
			_ = meddle(dir) // Those who use the files may be in its way.
			time.Sleep(rand.N(4 * time.Millisecond))
		}
		return nil
	}})
	return nil
}

// meddle does to a file what only a bystander would do.
func meddle(dir string) error {
	locks := filepath.Join(dir, "locks")
	files, err := filepath.Glob(filepath.Join(locks, "*"))
	if err != nil || len(files) == 0 {
		return err
	}
	victim := files[rand.IntN(len(files))]
	if strings.Contains(victim, ".gate") && rand.IntN(4) != 0 {
		return nil
	}
	switch rand.IntN(8) {
	case 0: // Replace it.
		other := filepath.Join(dir, "other")
		if err := os.WriteFile(other, []byte("what is this?"), 0o600); err != nil {
			return err
		}
		return os.Rename(other, victim)
	case 1: // Move it away.
		return os.Rename(victim, filepath.Join(dir, "away"))
	case 2: // Truncate it.
		return os.Truncate(victim, rand.Int64N(4096))
	case 3: // Overwrite its tokens with garbage.
		return scribble(victim)
	case 4: // Remove all.
		return os.RemoveAll(locks)
	default:
		return os.Remove(victim)
	}
}

func scribble(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, rand.IntN(200))
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	_, err = f.WriteAt(b, rand.Int64N(200))
	return err
}
