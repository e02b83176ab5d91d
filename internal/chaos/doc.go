// Package chaos has goroutines of several processes compete for locks while a test
// torments the processes and what they lock with, and has a judge look on. What the
// torment is, and what must come of it, the test says.
package chaos
