module github.com/distlock/distlock-go/file

go 1.26.0

require golang.org/x/sys v0.49.0

replace github.com/distlock/distlock-go/core => ../core
