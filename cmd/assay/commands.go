package main

// commands lists the program's words in the order help shows them. It is a
// function because some of them look at the list.
func commands() []command {
	return []command{
		upCommand, serveCommand, workCommand, migrateCommand,
		loadCommand, labelsImportCommand, labelsExportCommand, datasetVerifyCommand,
		gateCheckCommand, gateUploadCommand, gateVerifyCommand,
		auditVerifyCommand, auditExportCommand, auditVerifyFileCommand,
		userAddCommand, userListCommand, userDisableCommand, keyCreateCommand, keyRevokeCommand,
		validateCommand, doctorCommand, benchIngestCommand, benchKillCommand, benchLabelingCommand, benchValidatorsCommand,
	}
}
