// Package ui draws. It knows shapes, words and numbers, but no domain type:
// a page's builder turns what a stage returned into the structs here, and a
// page's templ puts them in order.
//
// Every component is a struct that is also a [templ.Component]: its value may
// stand in a field or a slice, and a literal is drawn in templ by its Draw
// method, with children where the component has an inside:
//
//	@ui.Panel{Title: "Budget left", Note: "band: 95 %"}.Draw() {
//		@page.Chart
//	}
//
// The zero value of every struct draws something sensible. Words are escaped
// as text; only a templ.Component is drawn as it is. Nothing here writes a
// style attribute or a script: dynamic widths are SVG attributes, behaviour
// is declared in data attributes that static/*.js reads.
//
// Read reader.go first (what a component knows about who is looking), then
// shell.go, then gallery_test.go, which draws everything once.
package ui
