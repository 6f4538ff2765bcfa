import { startBinding } from './bind.js'
import { startCopy } from './copy.js'
import { startDialogs } from './dialog.js'
import { startEdits } from './edits.js'
import { startKeys } from './keys.js'
import { startLabel } from './label.js'
import { startLists } from './list.js'
import { startPalette } from './palette.js'
import { startRegions } from './region.js'
import { startSpans } from './spans.js'
import { startSteps } from './steps.js'
import { startTheme } from './theme.js'
import { startTimes } from './time.js'
import { startToasts } from './toast.js'
import { startViews } from './view.js'

// Everything works without this; it makes it faster. Each module attaches to
// what the pages say in data attributes.
startTimes()
startKeys()
startDialogs()
startPalette()
startLists()
startSteps()
startSpans()
startBinding()
startEdits()
startToasts()
startCopy()
startTheme()
startViews()
startRegions()
startLabel()
