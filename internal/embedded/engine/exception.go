package engine

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// exception is an error as ClickHouse numbers and words it.
type exception struct {
	code int
	text string // whole, from "Code: N." on
}

func (e *exception) Error() string { return e.text }

// The codes we raise ourselves, with the names ClickHouse gives them.
const (
	codeBadArguments        = 36
	codeSyntaxError         = 62
	codeUnknownFormat       = 73
	codeUnknownDatabase     = 81
	codeUnknownSetting      = 115
	codeCannotReadAllData   = 33
	codeReadonly            = 164
	codeTooManyQueries      = 202
	codeUnknownSession      = 372
	codeSessionIsLocked     = 373
	codeAccessDenied        = 497
	codeAuthenticationFails = 516
	codeUnknownException    = 1002
)

var codeNames = map[int]string{
	codeBadArguments:        "BAD_ARGUMENTS",
	codeSyntaxError:         "SYNTAX_ERROR",
	codeUnknownFormat:       "UNKNOWN_FORMAT",
	codeUnknownDatabase:     "UNKNOWN_DATABASE",
	codeUnknownSetting:      "UNKNOWN_SETTING",
	codeCannotReadAllData:   "CANNOT_READ_ALL_DATA",
	codeReadonly:            "READONLY",
	codeTooManyQueries:      "TOO_MANY_SIMULTANEOUS_QUERIES",
	codeUnknownSession:      "SESSION_NOT_FOUND",
	codeSessionIsLocked:     "SESSION_IS_LOCKED",
	codeAccessDenied:        "ACCESS_DENIED",
	codeAuthenticationFails: "AUTHENTICATION_FAILED",
	codeUnknownException:    "UNKNOWN_EXCEPTION",
}

// refuse words an exception of our own like one of the engine's.
func refuse(code int, format string, args ...any) *exception {
	return &exception{code: code, text: fmt.Sprintf("Code: %d. DB::Exception: %s (%s)",
		code, fmt.Sprintf(format, args...), codeNames[code])}
}

var codePattern = regexp.MustCompile(`^Code: (\d+)\. `)

// exceptionFrom reads the code out of an error text of the library.
func exceptionFrom(text string) *exception {
	text = strings.TrimSpace(text)
	if m := codePattern.FindStringSubmatch(text); m != nil {
		code, err := strconv.Atoi(m[1])
		if err == nil {
			return &exception{code: code, text: text}
		}
	}
	if text == "" {
		text = "The engine gave no reason."
	}
	return refuse(codeUnknownException, "%s", text)
}

// asException makes any error one with a code.
func asException(err error) *exception {
	var e *exception
	if errors.As(err, &e) {
		return e
	}
	return refuse(codeUnknownException, "%s", err)
}

// statuses is the HTTP status of the error codes that have one of their own.
var statuses = map[int]int{
	60:                  http.StatusNotFound, // unknown table
	codeUnknownDatabase: http.StatusNotFound,

	codeBadArguments:   http.StatusBadRequest,
	codeSyntaxError:    http.StatusBadRequest,
	codeUnknownSetting: http.StatusBadRequest,
	27:                 http.StatusBadRequest, // input that cannot be parsed

	codeAccessDenied:        http.StatusForbidden,
	codeAuthenticationFails: http.StatusForbidden,

	159: http.StatusRequestTimeout, // max_execution_time is over
}

func (e *exception) status() int {
	if status, ok := statuses[e.code]; ok {
		return status
	}
	return http.StatusInternalServerError
}
