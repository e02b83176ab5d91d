package postgres

import "github.com/distlock/distlock-go/core"

// BaseKey is the key of an object, or of slot 0 of a semaphore.
func BaseKey(kind core.Kind, name string) int64 { return hashKey("", kind, name, "") }
