package configfile

import (
	"reflect"

	"go.yaml.in/yaml/v3"
)

// CheckNode returns what is wrong with a node whatever it is decoded into, as [Parse] does:
// duplicate keys, merge keys, and more than limit values, counting those that aliases
// repeat. The keys of the problems begin with path. Call it before [DecodeNode].
func CheckNode(path string, n *yaml.Node, limit int) Problems { return check("", path, n, limit) }

// DecodeNode sets the value that into points to, whose type can be any that a setting may
// have, to what a node contains. The keys of the problems begin with path. If there are
// problems, the value may be partly set.
func DecodeNode(path string, n *yaml.Node, into any) Problems {
	d := decoder{file: new(File), model: new(Model)}
	d.value(reflect.ValueOf(into).Elem(), n, path, new(Key))
	return d.problems
}
