//go:build unix && !linux

package testenv

func removeMemory(string) error { return nil }
