package redact

import "strings"

// roots are the first segments that make /… a path of a file system rather
// than of a web site.
var roots = map[string]bool{
	"home": true, "Users": true, "root": true, "var": true, "etc": true, "tmp": true, "usr": true, "opt": true, "srv": true,
	"mnt": true, "media": true, "private": true, "Volumes": true, "Library": true, "System": true, "Applications": true,
	"proc": true, "bin": true, "lib": true, "lib64": true, "run": true, "snap": true, "nix": true, "workspace": true,
	"workspaces": true, "dev": true, "sys": true, "boot": true, "sbin": true, "data": true, "app": true, "export": true,
}

// webRoots begin addresses of a web site that happen to end in a file name.
var webRoots = map[string]bool{"api": true, "v1": true, "v2": true, "v3": true, "static": true, "assets": true, "public": true, "images": true, "img": true, "css": true, "js": true}

// unixPath looks at the slash at s[i] for an absolute path.
func (z *scanner) unixPath(i int) {
	if i < z.pathEnd || !beginsPath(z.before(i)) || !isPathStart(z.at(i+1)) {
		return
	}
	z.pathFrom(i)
}

// beginsPath reports whether a path may follow c.
func beginsPath(c byte) bool {
	return strings.IndexByte(" \t\"'`(=:,;[<>|{*\r\n&", c) >= 0 || c >= 0x80
}

func isPathStart(c byte) bool { return isAlnum(c) || c == '.' || c == '_' || c == '[' || c >= 0x80 }

// pathFrom takes the path that begins with the slash at s[i], if it is one.
func (z *scanner) pathFrom(i int) {
	if z.at(i) != '/' {
		return
	}
	end := z.unixPathEnd(i)
	first, rest, deep := strings.Cut(z.s[i+1:end], "/")
	switch {
	case roots[first]:
		if !deep || rest == "" {
			return
		}
	case !strings.Contains(rest, "/") || !hasFileName(rest) || webRoots[first]:
		return
	}
	z.pathEnd = end
	z.found(Path, i, end)
}

// homePath looks at the ~ at s[i].
func (z *scanner) homePath(i int) {
	if i < z.pathEnd || !beginsPath(z.before(i)) || z.at(i+1) != '/' || !isPathStart(z.at(i+2)) {
		return
	}
	z.pathEnd = z.unixPathEnd(i)
	z.found(Path, i, z.pathEnd)
}

// unixPathEnd returns where the path that begins at s[start] ends: at the
// closing quote if it stands in quotes, else at a space or a mark that paths
// do not have.
func (z *scanner) unixPathEnd(start int) int {
	if q := z.before(start); q == '"' || q == '\'' || q == '`' {
		if n := strings.IndexByte(z.s[start:min(len(z.s), start+260)], q); n > 0 && strings.IndexAny(z.s[start:start+n], ",;:*?|<>\t\n\"\\") < 0 && !strings.Contains(z.s[start:start+n], " /") {
			return start + n
		}
	}
	end := start
	for {
		for end < len(z.s) && !stopsPath(z.s[end]) && !z.foreignMark(end) {
			end++
		}
		if z.at(end) == ' ' && z.before(end) == '\\' {
			end++ // an escaped space
			continue
		}
		next := z.spacedSegment(start, end)
		if next == end {
			break
		}
		end = next
	}
	return z.trimPath(start, end)
}

// spacedSegment carries a path in someone's home over spaces when the next
// word goes on with a directory, and that or one of the three after it ends in
// a file name: /Users/Ann Lee/a.txt, /Users/Ann Lee/My Letters/a.txt.
func (z *scanner) spacedSegment(start, end int) int {
	head := z.s[start:end]
	if z.at(end) != ' ' || !strings.HasPrefix(head, "/Users/") && !strings.HasPrefix(head, "/home/") && !strings.HasPrefix(head, "/Volumes/") {
		return end
	}
	next := end
	for range 4 {
		word := next + 1
		for next = word; next < min(len(z.s), end+260) && !stopsPath(z.s[next]); {
			next++
		}
		if word >= len(z.s) || strings.IndexByte(z.s[end+1:next], '/') < 1 {
			return end
		}
		if hasFileName(strings.TrimRight(z.s[word:next], ".")) {
			return next
		}
		if z.at(next) != ' ' {
			return end
		}
	}
	return end
}

func stopsPath(c byte) bool { return c <= ' ' || strings.IndexByte("\"'`<>|:;*?,()", c) >= 0 }

// foreignMark reports whether a quotation mark, an ellipsis or a full stop of
// another script begins at s[i]: general, CJK or full-width punctuation.
func (z *scanner) foreignMark(i int) bool {
	switch z.s[i] {
	case 0xE2, 0xE3:
		return z.at(i+1) == 0x80
	case 0xEF:
		return z.at(i+1) == 0xBC
	}
	return false
}

// trimPath cuts the marks of the sentence off the end of a path.
func (z *scanner) trimPath(start, end int) int {
	for end > start+1 {
		c := z.s[end-1]
		if c == ']' && strings.Count(z.s[start:end], "[") >= strings.Count(z.s[start:end], "]") {
			break
		}
		if c == '}' && strings.Contains(z.s[start:end], "{") {
			break
		}
		if strings.IndexByte(".!?)]}\\\r\n", c) < 0 {
			break
		}
		end--
	}
	return end
}

// hasFileName reports whether a path ends in a name with an extension of one
// to eight letters and digits, not digits alone.
func hasFileName(path string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	dot := strings.LastIndexByte(name, '.')
	if dot < 1 || len(name)-dot < 2 || len(name)-dot > 9 {
		return false
	}
	letters := false
	for i := dot + 1; i < len(name); i++ {
		if !isAlnum(name[i]) {
			return false
		}
		letters = letters || isLetter(name[i])
	}
	return letters
}

// drivePath looks at the colon at s[i] for C:\… or C:/….
func (z *scanner) drivePath(i int) {
	next := z.at(i + 1)
	if i < 1 || next != '\\' && next != '/' || !isLetter(z.s[i-1]) || isWordChar(z.before(i-1)) || i < z.pathEnd {
		return
	}
	if next == '\\' && z.lineBreak(i) {
		return
	}
	z.windowsPath(i-1, i+2)
}

// lineBreak tells "if x > y:\n" in escaped source from a drive: an escape and
// no folder follows the colon, or a small drive letter has a single folder.
func (z *scanner) lineBreak(i int) bool {
	end := i + 2
	for end < len(z.s) && isWordChar(z.s[end]) {
		end++
	}
	if end == i+2 {
		return z.at(end) != '\\' // C:\\Users has its backslash doubled
	}
	if strings.IndexByte("ntr", z.s[i+2]) < 0 {
		return false
	}
	if !isLetter(z.at(i + 3)) {
		return true
	}
	return !isUpper(z.s[i-1]) && z.at(end) != '\\' && z.at(end) != '.'
}

// sharePath looks at the backslash at s[i] for \\server\share, or the same
// with every backslash doubled.
func (z *scanner) sharePath(i int) {
	if i < z.pathEnd || isWordChar(z.before(i)) || z.before(i) == '\\' || z.before(i) == ':' && isLetter(z.before(i-1)) && !isWordChar(z.before(i-2)) {
		return
	}
	n := 0
	for z.at(i+n) == '\\' {
		n++
	}
	if n != 2 && n != 4 {
		return
	}
	server := i + n
	for server < len(z.s) && (isAlnum(z.s[server]) || z.s[server] == '-' || z.s[server] == '.' || z.s[server] == '_') {
		server++
	}
	single := strings.HasPrefix(z.s[server:], `\`) && !strings.HasPrefix(z.s[server:], `\\`)
	double := strings.HasPrefix(z.s[server:], `\\`) && !strings.HasPrefix(z.s[server:], `\\\`)
	if server == i+n || n == 2 && !single || n == 4 && !double || !isWordChar(z.at(server+n/2)) {
		return
	}
	z.windowsPath(i, server+n/2)
}

// windowsPath takes the path from start; what it must have ends at body.
func (z *scanner) windowsPath(start, body int) {
	if stopsWindows(z.at(body)) && z.at(body) != '\\' {
		return
	}
	end := body
	for {
		for end < len(z.s) && !stopsWindows(z.s[end]) && !z.foreignMark(end) {
			end++
		}
		next := z.spacedFolder(end)
		if next == end {
			break
		}
		end = next
	}
	if q := z.before(start); q == '"' || q == '\'' || q == '`' {
		if n := strings.IndexByte(z.s[end:min(len(z.s), end+120)], q); n >= 0 && strings.IndexAny(z.s[end:end+n], ":;,*?|<>\t") < 0 {
			end += n
		}
	}
	end = z.trimPath(start, end)
	if end <= body {
		return
	}
	z.pathEnd = end
	z.found(Path, start, end)
}

func stopsWindows(c byte) bool { return c <= ' ' || strings.IndexByte("\"'`<>|:;*?,", c) >= 0 }

// spacedFolder carries a path over spaces when one of the next two words
// still goes on with a folder: C:\Program Files (x86)\….
func (z *scanner) spacedFolder(end int) int {
	at := end
	for range 2 {
		if z.at(at) != ' ' || at >= len(z.s) {
			return end
		}
		at++
		word := at
		for at < len(z.s) && !stopsWindows(z.s[at]) {
			at++
		}
		if z.at(at) == ':' || at == word {
			return end
		}
		if slash := strings.IndexByte(z.s[word:at], '\\'); slash > 0 {
			return at
		}
	}
	return end
}
