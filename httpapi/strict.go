package httpapi

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/ignis-go/ignis/wire"
)

// strictKeys returns an error unless the keys of a JSON object, and those of the objects in its
// fields, are exactly those of a struct type, and occur once. Package huma ignores their case, and
// encoding/json also accepts repetitions, so the fields that were checked could be others than
// those that are used. The text must be valid JSON.
func strictKeys(text []byte, t reflect.Type) (err error) {
	fields := make(map[string]reflect.Type)
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = t.Field(i).Type
	}
	seen := make(map[string]bool)
	_ = wire.EachField(text, func(key, value []byte) { // fails if it is not an object, which encoding/json reports
		name := string(key)
		field, ok := fields[name]
		switch {
		case err != nil:
		case !ok:
			err = fmt.Errorf("the field %.64q is unknown", name)
		case seen[name]:
			err = fmt.Errorf("the field %q occurs twice", name)
		case field.Kind() == reflect.Struct && value[0] == '{':
			err = strictKeys(value, field)
		}
		seen[name] = true
	})
	return err
}
