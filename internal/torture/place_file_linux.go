package torture

import "os"

// files is a directory on a disk.
func (p *place) files() error {
	dir, err := os.MkdirTemp("", "torture")
	if err != nil {
		return err
	}
	p.close = append(p.close, func() error { return os.RemoveAll(dir) })
	p.url = "file://" + dir + "/locks"
	return nil
}
