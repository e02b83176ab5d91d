// Package filetorture has processes fight for one object of the file backend
// while their fellows are killed and a bystander removes, renames and replaces the
// files, and checks by the arena of package judge that none of them is ever misled:
// a handle whose file was removed must say so.
package filetorture
