package formula

import (
	"fmt"
	"strings"
)

// Limits that Excel itself sets on a formula.
const (
	maxFormulaLength = 8192
	maxCallDepth     = 64
	maxArguments     = 255
	maxParseDepth    = 400 // parentheses and signs; ours, against hostile text
)

// span is a stretch of the formula text, in bytes.
type span struct{ start, end int }

func (s span) bounds() (int, int) { return s.start, s.end }

// node is a piece of a parsed formula.
type node interface{ bounds() (int, int) }

type (
	// literalNode is a constant, array constants included.
	literalNode struct {
		span
		value Value
	}
	// missingNode is an argument left empty.
	missingNode struct{ span }
	// refNode is a written reference to one area.
	refNode struct {
		span
		sheet, sheetEnd string
		qualified       bool
		book            string
		from, to        corner
		relative        bool
	}
	// nameNode is a defined name, a LET name or a LAMBDA parameter.
	nameNode struct {
		span
		name, sheet, book string
	}
	// tableNode is a structured reference.
	tableNode struct {
		span
		text string
	}
	parenNode struct {
		span
		x node
	}
	unaryNode struct {
		span
		op byte // '-', '+', '%', '@', '#'
		x  node
	}
	binaryNode struct {
		span
		op   string
		at   int
		l, r node
	}
	unionNode struct {
		span
		parts []node
	}
	callNode struct {
		span
		name    string // canonical, upper case
		written string // as it stands in the text
		nameEnd int
		book    string
		fn      *function // nil when it is not built in
		args    []node
	}
	// invokeNode calls the lambda an expression gives: LAMBDA(x,x)(1).
	invokeNode struct {
		span
		callee node
		args   []node
	}
)

// tree is a parsed formula.
type tree struct {
	root     node
	declared map[string]bool // names that LET and LAMBDA introduce, in lower case
	array    bool            // was written in {= }
	text     string
}

// ParseError says what Excel would refuse, and where.
type ParseError struct {
	Message    string
	Start, End int
	ours       bool // a limit of ours, not of Excel's
}

func (e *ParseError) Error() string { return e.Message }

type parser struct {
	text     string
	lexemes  []lexeme
	spaced   []bool // a space stands before the lexeme
	at       int
	depth    int
	calls    int
	declared map[string]bool
}

// parse turns formula text into a tree. The leading "=" may be missing.
func parse(text string, loc *locale, r1c1 bool) (*tree, *ParseError) {
	start, end := 0, len(text)
	for start < end && isSpace(rune(text[start])) {
		start++
	}
	for end > start && isSpace(rune(text[end-1])) {
		end--
	}
	out := &tree{text: text}
	if strings.HasPrefix(text[start:end], "{=") && text[end-1] == '}' {
		out.array = true
		start, end = start+1, end-1
	}
	if start < end && text[start] == '=' {
		start++
	}
	if end-start > maxFormulaLength {
		return nil, &ParseError{Message: fmt.Sprintf("The formula has %d characters; Excel takes at most %d.", end-start, maxFormulaLength), Start: 0, End: len(text)}
	}
	if start >= end {
		return nil, &ParseError{Message: "The formula is empty.", Start: 0, End: len(text)}
	}
	p := &parser{text: text, declared: map[string]bool{}}
	spaced := false
	for _, l := range scan(text[start:end], loc, r1c1) {
		if l.kind == lexSpace {
			spaced = true
			continue
		}
		l.start += start
		l.end += start
		p.lexemes = append(p.lexemes, l)
		p.spaced = append(p.spaced, spaced)
		spaced = false
	}
	p.lexemes = append(p.lexemes, lexeme{kind: lexEnd, start: end, end: end})
	p.spaced = append(p.spaced, spaced)
	root, err := p.expression()
	if err == nil && p.peek().kind != lexEnd {
		err = p.unexpected()
	}
	if err != nil {
		return nil, err
	}
	out.root, out.declared = root, p.declared
	return out, nil
}

func (p *parser) peek() lexeme { return p.lexemes[p.at] }

func (p *parser) take() lexeme {
	l := p.lexemes[p.at]
	if l.kind != lexEnd {
		p.at++
	}
	return l
}

func (p *parser) isOperator(ops string) bool {
	l := p.peek()
	if l.kind != lexOperator {
		return false
	}
	for _, op := range strings.Fields(ops) {
		if l.text == op {
			return true
		}
	}
	return false
}

func (p *parser) fail(l lexeme, format string, args ...any) *ParseError {
	return &ParseError{Message: fmt.Sprintf(format, args...), Start: l.start, End: l.end}
}

// unexpected explains why the lexeme at hand cannot stand where it does.
func (p *parser) unexpected() *ParseError {
	l := p.peek()
	before := ""
	if p.at > 0 {
		b := p.lexemes[p.at-1]
		before = p.text[b.start:b.end]
	}
	written := clip(p.text[l.start:l.end])
	switch l.kind {
	case lexEnd:
		if before == "" {
			return p.fail(l, "The formula is empty.")
		}
		return p.fail(l, "Something is missing after “%s”.", clip(before))
	case lexOpenText:
		return p.fail(l, "The text that begins here has no closing quotation mark.")
	case lexUnknown:
		if strings.ContainsAny(written, "“”„‘’«»") {
			return p.fail(l, "“%s” is a typographic quotation mark; Excel takes only \".", written)
		}
		return p.fail(l, "“%s” means nothing here.", written)
	case lexClose:
		if p.at > 0 && p.lexemes[p.at-1].kind == lexOperator {
			return p.fail(l, "A value is missing between “%s” and “)”.", before)
		}
		return p.fail(l, "This “)” closes nothing.")
	case lexList, lexRow, lexColumn:
		return p.fail(l, "“%s” cannot stand here.", written)
	case lexOperator:
		return p.fail(l, "A value is missing before “%s”.", written)
	}
	return p.fail(l, "An operator is missing between “%s” and “%s”.", clip(before), written)
}

func clip(s string) string {
	runes := []rune(s)
	if len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return s
}

func (p *parser) enter() *ParseError {
	if p.depth++; p.depth > maxParseDepth {
		err := p.fail(p.peek(), "The formula is nested deeper than %d levels.", maxParseDepth)
		err.ours = true
		return err
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// precedence of the binary operators; a higher one binds tighter.
var precedence = map[string]int{
	"=": 1, "<": 1, ">": 1, "<=": 1, ">=": 1, "<>": 1,
	"&": 2, "+": 3, "-": 3, "*": 4, "/": 4, "^": 5,
}

func (p *parser) expression() (node, *ParseError) { return p.binary(1) }

func (p *parser) binary(least int) (node, *ParseError) {
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		l := p.peek()
		rank := 0
		if l.kind == lexOperator {
			rank = precedence[l.text]
		}
		if rank == 0 || rank < least {
			return left, nil
		}
		p.take()
		right, err := p.binary(rank + 1)
		if err != nil {
			return nil, err
		}
		left = &binaryNode{join(left, right), l.text, l.start, left, right}
	}
}

func join(l, r node) span {
	start, _ := l.bounds()
	_, end := r.bounds()
	return span{start, end}
}

// unary reads signs and "@", then percent signs. A sign binds tighter than "^":
// -2^2 is 4.
func (p *parser) unary() (node, *ParseError) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if p.isOperator("- + @") {
		op := p.take()
		x, err := p.unary()
		if err != nil {
			return nil, err
		}
		_, end := x.bounds()
		return &unaryNode{span{op.start, end}, op.text[0], x}, nil
	}
	x, err := p.intersection()
	if err != nil {
		return nil, err
	}
	for p.isOperator("%") {
		start, _ := x.bounds()
		x = &unaryNode{span{start, p.take().end}, '%', x}
	}
	return x, nil
}

// intersection reads references parted by a space.
func (p *parser) intersection() (node, *ParseError) {
	left, err := p.rangeOf()
	if err != nil {
		return nil, err
	}
	for p.spaced[p.at] && refersTo(left) && p.startsReference() {
		right, err := p.rangeOf()
		if err != nil {
			return nil, err
		}
		at, _ := right.bounds()
		left = &binaryNode{join(left, right), " ", at, left, right}
	}
	return left, nil
}

func (p *parser) startsReference() bool {
	switch p.peek().kind {
	case lexReference, lexName, lexFunction, lexStructured, lexOpen:
		return true
	}
	return false
}

// refersTo tells whether a node may give a reference.
func refersTo(n node) bool {
	switch n := n.(type) {
	case *refNode, *nameNode, *tableNode, *callNode, *unionNode:
		return true
	case *parenNode:
		return refersTo(n.x)
	case *binaryNode:
		return n.op == ":" || n.op == " "
	case *unaryNode:
		return n.op == '#'
	case *literalNode:
		return n.value.Error() == ErrRef
	}
	return false
}

func (p *parser) rangeOf() (node, *ParseError) {
	left, err := p.postfix()
	if err != nil {
		return nil, err
	}
	for p.isOperator(":") {
		op := p.take()
		right, err := p.postfix()
		if err != nil {
			return nil, err
		}
		if !refersTo(left) || !refersTo(right) {
			return nil, p.fail(op, "“:” needs a reference on both sides.")
		}
		left = &binaryNode{join(left, right), ":", op.start, left, right}
	}
	return left, nil
}

// postfix reads the spill mark and calls of lambdas.
func (p *parser) postfix() (node, *ParseError) {
	x, err := p.primary()
	if err != nil {
		return nil, err
	}
	for {
		start, _ := x.bounds()
		switch {
		case p.isOperator("#") && refersTo(x):
			x = &unaryNode{span{start, p.take().end}, '#', x}
		case p.peek().kind == lexOpen && !p.spaced[p.at] && invokable(x):
			args, end, err := p.arguments()
			if err != nil {
				return nil, err
			}
			x = &invokeNode{span{start, end}, x, args}
		default:
			return x, nil
		}
	}
}

func invokable(n node) bool {
	switch n.(type) {
	case *callNode, *parenNode, *invokeNode:
		return true
	}
	return false
}

func (p *parser) primary() (node, *ParseError) {
	l := p.peek()
	at := span{l.start, l.end}
	switch l.kind {
	case lexNumber:
		p.take()
		return &literalNode{at, NumberOf(l.number)}, nil
	case lexText:
		p.take()
		if len(l.text) > 255 && len([]rune(l.text)) > 255 {
			return nil, p.fail(l, "A text in a formula may have at most 255 characters; this one has %d.", len([]rune(l.text)))
		}
		return &literalNode{at, TextOf(l.text)}, nil
	case lexBoolean:
		p.take()
		return &literalNode{at, BooleanOf(l.number != 0)}, nil
	case lexError:
		p.take()
		return &literalNode{at, errorOf(errorNamed(l.text))}, nil
	case lexReference:
		p.take()
		return &refNode{at, l.sheet, l.sheetEnd, l.qualified, l.book, l.from, l.to, l.relative}, nil
	case lexName:
		p.take()
		return &nameNode{at, parameterName(l.text), l.sheet, l.book}, nil
	case lexStructured:
		p.take()
		return &tableNode{at, l.text}, nil
	case lexFunction:
		return p.call()
	case lexOpen:
		return p.parenthesis()
	case lexOpenBrace:
		return p.arrayConstant()
	}
	return nil, p.unexpected()
}

func (p *parser) parenthesis() (node, *ParseError) {
	open := p.take()
	x, err := p.expression()
	if err != nil {
		return nil, err
	}
	parts := []node{x}
	for p.peek().kind == lexList {
		p.take()
		part, err := p.expression()
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	shut := p.peek()
	if shut.kind != lexClose {
		return nil, p.unclosed(open)
	}
	p.take()
	at := span{open.start, shut.end}
	if len(parts) == 1 {
		return &parenNode{at, x}, nil
	}
	for _, part := range parts {
		if !refersTo(part) {
			start, end := part.bounds()
			return nil, &ParseError{Message: "Only references can be joined by a separator inside parentheses.", Start: start, End: end}
		}
	}
	return &unionNode{at, parts}, nil
}

// unclosed blames the opening parenthesis when the text ends, else what stands there.
func (p *parser) unclosed(open lexeme) *ParseError {
	if p.peek().kind == lexEnd {
		return p.fail(open, "This “(” is never closed.")
	}
	return p.unexpected()
}

// call reads FUNCTION(…).
func (p *parser) call() (node, *ParseError) {
	l := p.take()
	if p.calls++; p.calls > maxCallDepth {
		return nil, p.fail(l, "The formula nests more than %d functions.", maxCallDepth)
	}
	defer func() { p.calls-- }()
	name := canonicalName(l.text)
	args, end, err := p.arguments()
	if err != nil {
		return nil, err
	}
	at := span{l.start, end}
	switch {
	case name == "SINGLE" && len(args) == 1:
		return &unaryNode{at, '@', args[0]}, nil
	case name == "ANCHORARRAY" && len(args) == 1:
		return &unaryNode{at, '#', args[0]}, nil
	}
	p.declare(name, args)
	return &callNode{at, name, l.text, l.end, l.book, functionNamed(name), args}, nil
}

// declare remembers the names that LET and LAMBDA introduce.
func (p *parser) declare(name string, args []node) {
	for i := 0; i+1 < len(args); i++ {
		if name == "LAMBDA" || name == "LET" && i%2 == 0 {
			if declared, _, ok := parameter(args[i]); ok {
				p.declared[declared] = true
			}
		}
	}
}

func (p *parser) arguments() ([]node, int, *ParseError) {
	open := p.take()
	if open.kind != lexOpen {
		return nil, 0, p.fail(open, "“(” is missing.")
	}
	if p.peek().kind == lexClose {
		return nil, p.take().end, nil
	}
	var args []node
	for {
		l := p.peek()
		if l.kind == lexList || l.kind == lexClose {
			args = append(args, &missingNode{span{l.start, l.start}})
		} else {
			x, err := p.expression()
			if err != nil {
				return nil, 0, err
			}
			args = append(args, x)
		}
		if len(args) > maxArguments {
			return nil, 0, p.fail(open, "A function takes at most %d arguments.", maxArguments)
		}
		switch p.peek().kind {
		case lexList:
			p.take()
		case lexClose:
			return args, p.take().end, nil
		default:
			return nil, 0, p.unclosed(open)
		}
	}
}

// arrayConstant reads {1,2;3,4}.
func (p *parser) arrayConstant() (node, *ParseError) {
	open := p.take()
	var rows [][]Value
	row := []Value{}
	for {
		v, err := p.arrayElement(open)
		if err != nil {
			return nil, err
		}
		row = append(row, v)
		switch l := p.peek(); l.kind {
		case lexColumn:
			p.take()
		case lexRow, lexCloseBrace:
			p.take()
			if len(rows) > 0 && len(rows[0]) != len(row) {
				return nil, p.fail(l, "The rows of an array constant must be equally long.")
			}
			rows = append(rows, row)
			row = nil
			if l.kind == lexCloseBrace {
				return &literalNode{span{open.start, l.end}, arrayOf(rowsArray(rows))}, nil
			}
		case lexEnd:
			return nil, p.fail(open, "This “{” is never closed.")
		default:
			return nil, p.fail(l, "An array constant holds only constants.")
		}
	}
}

func (p *parser) arrayElement(open lexeme) (Value, *ParseError) {
	sign := 1.0
	if p.isOperator("- +") {
		if p.take().text == "-" {
			sign = -1
		}
		if p.peek().kind != lexNumber {
			return blank, p.fail(p.peek(), "An array constant holds only constants.")
		}
	}
	l := p.peek()
	switch l.kind {
	case lexNumber:
		p.take()
		return NumberOf(sign * l.number), nil
	case lexText:
		p.take()
		return TextOf(l.text), nil
	case lexBoolean:
		p.take()
		return BooleanOf(l.number != 0), nil
	case lexError:
		p.take()
		return errorOf(errorNamed(l.text)), nil
	case lexEnd:
		return blank, p.fail(open, "This “{” is never closed.")
	}
	return blank, p.fail(l, "An array constant holds only constants.")
}

// rowsArray makes an array of equally long rows.
func rowsArray(rows [][]Value) *Array {
	a := newArray(len(rows), len(rows[0]))
	for r, row := range rows {
		copy(a.cells[r*a.cols:], row)
	}
	return a
}

// canonicalName strips the prefixes under which files store newer functions.
func canonicalName(name string) string {
	name = strings.ToUpper(name)
	for _, prefix := range []string{"_XLFN.", "_XLWS.", "_XLPM.", "_XLUDF."} {
		name = strings.TrimPrefix(name, prefix)
	}
	return name
}

// parameterName strips the prefix under which files store LET and LAMBDA names.
func parameterName(name string) string {
	if len(name) > 6 && strings.EqualFold(name[:6], "_xlpm.") {
		return name[6:]
	}
	return name
}
