# Claude Code on Gemini, in one command: .\gemini-claude.ps1 [what `claude` takes]
$script = Join-Path $PSScriptRoot "gemini-claude"
if (Get-Command py -ErrorAction SilentlyContinue) { & py -3 $script @args } else { & python $script @args }
exit $LASTEXITCODE
