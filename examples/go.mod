module github.com/ignis-go/ignis/examples

go 1.26

require github.com/ignis-go/ignis v0.0.0

replace github.com/ignis-go/ignis => ../
