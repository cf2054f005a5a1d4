package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// mutant is a file with one small fault.
type mutant struct {
	file string // path of the file within the module
	path string // path of the file
	line int
	what string // the kind of fault, the function, and the line before and after
	text []byte // the file with the fault
	race bool   // whether the tests need the race detector to detect it
	same bool   // whether it is known that no test can detect it
}

// key identifies the mutant by its content and not by its line number, so that the key
// stays the same if code above it changes.
func (m mutant) key() string { return m.file + ": " + m.what }

// edit replaces the bytes from..to of a file.
type edit struct {
	from, to int
	text     string
}

// finder collects the mutants of a file. It has no type information, so some of them do
// not compile.
type finder struct {
	file    *token.File
	src     string
	name    string // of the file, within the module
	fn      string
	mutants []mutant
}

func mutantsOf(name string, src []byte) ([]mutant, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &finder{file: set.File(file.Pos()), src: string(src), name: name}
	for _, d := range file.Decls {
		f.fn = "the package"
		if fn, ok := d.(*ast.FuncDecl); ok {
			f.fn = fn.Name.Name
			if fn.Recv != nil && len(fn.Recv.List) > 0 {
				f.fn = strings.TrimPrefix(f.text(fn.Recv.List[0].Type), "*") + "." + f.fn
			}
			if fn.Body != nil {
				f.locks(fn.Body)
				f.walk(fn.Body, fn.Type.Results)
			}
			continue
		}
		f.walk(d, nil)
	}
	return f.mutants, nil
}

func (f *finder) offset(p token.Pos) int { return f.file.Offset(p) }
func (f *finder) text(n ast.Node) string { return f.src[f.offset(n.Pos()):f.offset(n.End())] }
func (f *finder) edit(n ast.Node, text string) edit {
	return edit{f.offset(n.Pos()), f.offset(n.End()), text}
}

// add adds a mutant. By default its description is the first line that changes,
// before and after.
func (f *finder) add(op, what string, edits ...edit) *mutant {
	at := edits[0].from
	if what == "" {
		start := strings.LastIndexByte(f.src[:at], '\n') + 1
		tail, _, _ := strings.Cut(f.src[edits[0].to:], "\n")
		what = firstLine(f.src[start:]) + " => " + firstLine(f.src[start:at]+edits[0].text+tail)
	}
	m := mutant{file: f.name, line: f.file.Line(f.file.Pos(at)), what: op + " in " + f.fn + ": " + what}
	end := 0
	for _, e := range edits {
		m.text = append(append(m.text, f.src[end:e.from]...), e.text...)
		end = e.to
	}
	m.text = append(m.text, f.src[end:]...)
	f.mutants = append(f.mutants, m)
	return &f.mutants[len(f.mutants)-1]
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(line)
}

// drop adds a mutant that does not execute the code from one node to another. It keeps that
// code in the file, because the compiler would otherwise report unused variables and imports.
func (f *finder) drop(op string, from, to ast.Node) {
	a, b := f.offset(from.Pos()), f.offset(to.End())
	f.add(op, firstLine(f.src[a:b]), edit{a, b, "if false { " + f.src[a:b] + " }"})
}

// walk adds the mutants of a node in a function with the given results.
func (f *finder) walk(root ast.Node, results *ast.FieldList) {
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			f.walk(n.Body, n.Type.Results)
			return false
		case *ast.ImportSpec, *ast.StructType, *ast.InterfaceType, *ast.ArrayType:
			return false
		case *ast.ReturnStmt:
			if fails(n) { // values returned with an error are usually not used
				f.walk(n.Results[len(n.Results)-1], results)
				return false
			}
		case *ast.BlockStmt:
			f.statements(n.List, results)
		case *ast.CaseClause:
			f.statements(n.Body, results)
			if len(n.Body) > 1 { // for a single statement, statements has added this mutant
				f.drop("skip case", n.Body[0], n.Body[len(n.Body)-1])
			}
		case *ast.CommClause:
			f.statements(n.Body, results)
		case *ast.IfStmt:
			f.branch(n)
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				f.add("drop not", "", f.edit(n, f.text(n.X)))
			}
		case *ast.BinaryExpr:
			return f.binary(n)
		case *ast.BasicLit:
			f.literal(n)
		case *ast.CallExpr:
			return f.call(n, results)
		}
		return true
	})
}

// call reports whether to visit the arguments of a call. Of calls of make, it visits only
// lengths, because capacities do not change the result.
func (f *finder) call(n *ast.CallExpr, results *ast.FieldList) bool {
	if fn, ok := n.Fun.(*ast.Ident); !ok || fn.Name != "make" {
		return true
	}
	_, isMap := n.Args[0].(*ast.MapType)
	if len(n.Args) == 2 && !isMap || len(n.Args) == 3 {
		f.walk(n.Args[1], results)
	}
	return false
}

var (
	logName = regexp.MustCompile(`(?i)^(log|debug|info|warn|error)(f|context|attrs)?$`)
	errName = regexp.MustCompile(`(?i)err$`)
	// makesErr matches functions that never return a nil error.
	makesErr = regexp.MustCompile(`^(New|Errorf|fail|usage|breach|tooLarge|.*Error)$`)
)

// statements adds a mutant without each of the statements that can be left out.
func (f *finder) statements(list []ast.Stmt, results *ast.FieldList) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			call, ok := s.X.(*ast.CallExpr)
			switch name := called(call); {
			case ok && logName.MatchString(name):
				f.drop("drop log", s, s)
			case !isLock(name) && name != "Helper": // Helper only changes the reported line number
				f.drop("drop call", s, s)
			}
		case *ast.DeferStmt:
			if !isLock(called(s.Call)) {
				f.drop("drop defer", s, s)
			}
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				f.drop("drop assignment", s, s)
			}
		case *ast.IncDecStmt:
			f.drop("drop assignment", s, s)
		case *ast.SendStmt:
			f.drop("drop send", s, s)
		case *ast.GoStmt:
			f.drop("drop go", s, s)
		case *ast.BranchStmt:
			if s.Tok == token.BREAK || s.Tok == token.CONTINUE {
				f.drop("drop "+s.Tok.String(), s, s)
			}
		case *ast.ReturnStmt:
			f.returns(s, results)
		}
	}
}

// called returns the name of the function in a call, without its qualifier.
func called(call *ast.CallExpr) string {
	if call == nil {
		return ""
	}
	switch fn := call.Fun.(type) {
	case *ast.SelectorExpr:
		return fn.Sel.Name
	case *ast.Ident:
		return fn.Name
	}
	return ""
}

func isLock(name string) bool {
	return name == "Lock" || name == "Unlock" || name == "RLock" || name == "RUnlock"
}

// locks adds, for each lock in a function, a mutant that does not acquire it.
func (f *finder) locks(body *ast.BlockStmt) {
	edits, locked, order := map[string][]edit{}, map[string]int{}, []string(nil)
	ast.Inspect(body, func(n ast.Node) bool {
		var call *ast.CallExpr
		switch n := n.(type) {
		case *ast.ExprStmt:
			call, _ = n.X.(*ast.CallExpr)
		case *ast.DeferStmt:
			call = n.Call
		}
		if name := called(call); isLock(name) {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && len(call.Args) == 0 {
				lock := f.text(sel.X)
				if edits[lock] == nil {
					order = append(order, lock)
				}
				edits[lock] = append(edits[lock], edit{f.offset(n.Pos()), f.offset(n.End()), "_ = &" + lock})
				locked[lock] |= map[string]int{"Lock": 1, "Unlock": 2}[strings.TrimPrefix(name, "R")]
			}
		}
		return true
	})
	for _, lock := range order {
		if locked[lock] == 3 { // dropping only one of the two would just make the tests panic or hang
			f.add("drop lock", lock, edits[lock]...).race = true
		}
	}
}

// branch adds two mutants of a condition: one that never holds, and its negation.
func (f *finder) branch(n *ast.IfStmt) {
	op := "skip branch"
	b, compares := n.Cond.(*ast.BinaryExpr)
	if compares && b.Op == token.NEQ {
		if x, ok := b.X.(*ast.Ident); ok && errName.MatchString(x.Name) && f.text(b.Y) == "nil" {
			op = "ignore error"
		}
	}
	cond := f.text(n.Cond)
	f.add(op, "", f.edit(n.Cond, "false && ("+cond+")"))
	if not, ok := n.Cond.(*ast.UnaryExpr); ok && not.Op == token.NOT || compares && opposites[b.Op] != token.ILLEGAL {
		return // walk and binary negate it
	}
	f.add("negate", "", f.edit(n.Cond, "!("+cond+")"))
}

var opposites = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LAND: token.LOR, token.LOR: token.LAND,
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL,
	token.SHL: token.SHR, token.SHR: token.SHL,
}

// binary adds the mutants of a binary expression, and reports whether to visit its operands.
func (f *finder) binary(n *ast.BinaryExpr) bool {
	if lit, ok := n.X.(*ast.BasicLit); ok && n.Op == token.MUL && strings.HasPrefix(f.text(n.Y), "time.") {
		f.add("change duration", "", f.edit(lit, "10*"+lit.Value))
		return false
	}
	if to, ok := opposites[n.Op]; ok {
		at := f.offset(n.OpPos)
		f.add("swap "+n.Op.String(), "", edit{at, at + len(n.Op.String()), to.String()})
	}
	return true
}

// literal adds a mutant with a different number.
func (f *finder) literal(n *ast.BasicLit) {
	v, err := strconv.ParseInt(n.Value, 0, 64)
	if n.Kind != token.INT || err != nil {
		return
	}
	other := v + 1
	if v == 1 {
		other = 0
	}
	f.add("change constant", "", f.edit(n, strconv.FormatInt(other, 10)))
}

// fails reports whether a statement returns other values and a non-nil error.
func fails(n *ast.ReturnStmt) bool {
	if len(n.Results) < 2 {
		return false
	}
	switch last := n.Results[len(n.Results)-1].(type) {
	case *ast.Ident:
		return errName.MatchString(last.Name)
	case *ast.CallExpr:
		return makesErr.MatchString(called(last))
	case *ast.UnaryExpr:
		return last.Op == token.AND
	}
	return false
}

// returns adds a mutant for each result of a statement, in which that result is zero. It
// keeps the original statement in the code, like drop.
func (f *finder) returns(n *ast.ReturnStmt, results *ast.FieldList) {
	var types []string
	if results != nil {
		for _, field := range results.List {
			for range max(1, len(field.Names)) {
				types = append(types, f.text(field.Type))
			}
		}
	}
	if len(types) != len(n.Results) {
		return
	}
	for i, t := range types {
		old := f.text(n.Results[i])
		op, zero := "return zero", "*new("+t+")"
		switch {
		case t == "bool":
			op, zero = "return opposite", map[string]string{"true": "false", "false": "true"}[old]
			if zero == "" {
				zero = "!(" + old + ")"
			}
		case t == "error":
			op, zero = "drop error", "nil"
		}
		if fails(n) && i < len(types)-1 || old == "nil" || old == "0" || old == `""` || old == t+"{}" {
			continue
		}
		values := make([]string, len(types))
		for j, r := range n.Results {
			values[j] = f.text(r)
		}
		values[i] = zero
		after := "return " + strings.Join(values, ", ")
		f.add(op, firstLine(f.text(n))+" => "+firstLine(after), f.edit(n, "if false { "+f.text(n)+" }; "+after))
	}
}
