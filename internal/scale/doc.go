// Package scale measures what a server bears: many processes that want many
// names, and what one more hold and one more waiter cost when there are a hundred,
// a thousand and ten thousand. What a lock costs must not depend on how many there
// are. cmd/scale prints the tables; reports keeps those of releases.
package scale
