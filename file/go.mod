module github.com/distlock/distlock-go/file

go 1.26.0

require (
	github.com/distlock/distlock-go/core v0.0.0
	golang.org/x/sys v0.49.0
)

replace github.com/distlock/distlock-go/core => ../core
