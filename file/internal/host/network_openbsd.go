package host

import "golang.org/x/sys/unix"

// Remote returns the kind of file system at path if other machines, or a server
// in user space, may change it behind the kernel's back: then there are no
// events of what they do, and memory that is mapped from a file is not shared
// with them. It returns "" otherwise, also if that cannot be told.
func Remote(path string) string {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil || st.F_flags&unix.MNT_LOCAL != 0 {
		return ""
	}
	return unix.ByteSliceToString(st.F_fstypename[:])
}
