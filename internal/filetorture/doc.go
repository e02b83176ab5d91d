// Package filetorture has processes fight for one object of the file backend
// while their fellows are killed and a bystander removes, renames and replaces the
// files, and checks that none of them is ever misled.
//
// What is checked, by memory that all processes share:
//
//   - Exclusion: two who may not be inside together are never inside with handles
//     that both say that they hold. A handle whose file was removed must say so.
//   - Fencing: the token of each hold is greater than any seen before.
//
// Whoever finds others inside opens a case against everybody who is in. Each of
// them answers, as soon as it looks, whether its handle says that it holds. A case
// in which all say so is a violation; one that somebody was killed in stays open.
package filetorture
