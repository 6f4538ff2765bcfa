package web

import (
	"slices"
	"strings"

	"assay/internal/auth"
)

// PageOf is an address that people open, and the roles that may.
type PageOf struct {
	Path  string // fiber's pattern
	Roles []auth.Role
}

// Pages lists all addresses that a person opens, for tests that walk them.
func Pages() []PageOf {
	var list []PageOf
	for _, r := range routes() {
		machines := strings.HasPrefix(r.Path, "/v1/") || slices.Contains([]string{"/livez", "/readyz", "/static/*"}, r.Path)
		if r.Method != "GET" || machines || r.Access.who == keyHolder {
			continue
		}
		p := PageOf{Path: r.Path}
		for _, role := range auth.Roles {
			if r.Access.permission == "" || (auth.Actor{Kind: auth.Person, Roles: []auth.Role{role}}).May(r.Access.permission) {
				p.Roles = append(p.Roles, role)
			}
		}
		list = append(list, p)
	}
	return list
}
