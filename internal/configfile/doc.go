// Package configfile reads a program's settings from a YAML file, in addition to flags and
// environment variables. A struct describes the settings: its field tags, most of which
// the command line uses as well, name the key, the flag, the variable and the default, and
// describe the setting. From the same struct the package derives what the file may
// contain, a JSON Schema for editors, and the reference in the documentation.
//
//	type settings struct {
//		Path  string `key:"path" default:"/ws" help:"Path of the endpoint."`
//		Limit int    `key:"limits.max_rooms" default:"128" help:"Maximum number of rooms."`
//	}
//
//	model, err := configfile.ModelOf[settings]("IGNIS")
//	file, problems := configfile.Parse("ignis.yaml", text)
//	problems = model.Decode(file, &s, overridden)
//
// # Tags
//
//	key        path of the key, such as limits.max_rooms; "-" for none
//	name       name of the flag; by default that of the field in lower case, with hyphens
//	env        name of the variable; by default that of the flag
//	kong:"-"   there is no flag, and a variable only if env is set
//	default    default, in the syntax of flags
//	enum       accepted values, separated by commas
//	help       description; ${default} stands for the default
//	live       the setting can change while the program runs
//	secret     the value is never shown; "url": only the credentials and the query of the URL are hidden
//	instead    the key is not accepted in files; says what to use instead
//	either     name of a group of keys that replace each other, such as a value and a file with it
//	required   the key is required if its section or list item is present, and not empty if it is a text
//	single     a list of mappings can be written as one mapping, without the list
//	short      the struct can also be written as one value, which this field then has
//
// # Types
//
// A field is a bool, an int, a string, a type with the methods UnmarshalText and Syntax, a
// slice of one of these, a struct, or a slice of structs. A struct with the methods
// UnmarshalText and Syntax, or with a field that has the tag short, can be written as a
// mapping or as one value.
//
// [CheckNode] and [DecodeNode] decode a part of a file that package configfile did not read.
package configfile
