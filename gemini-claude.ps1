# Claude Code on Gemini, in one command: .\gemini-claude.ps1 [what `claude` takes]
# For Windows PowerShell 5.1 and PowerShell 7. Where scripts are not allowed to run:
#   powershell -ExecutionPolicy Bypass -File .\gemini-claude.ps1
$ErrorActionPreference = "Continue"  # in 5.1 "Stop" takes any line on standard error for a failure
$OutputEncoding = New-Object System.Text.UTF8Encoding $false  # of what is piped in
$script = Join-Path $PSScriptRoot "gemini-claude"
$python = $null
foreach ($each in @(@("py", "-3"), @("python"), @("python3"))) {
    if (-not (Get-Command $each[0] -CommandType Application -ErrorAction SilentlyContinue)) { continue }
    # What Windows has as python.exe may only open its store.
    $program = $each[0]; $options = @($each | Select-Object -Skip 1)
    & $program @options -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>&1 | Out-Null
    if ($LASTEXITCODE -eq 0) { $python = $each; break }
}
if (-not $python) {
    [Console]::Error.WriteLine("Python 3.11 or later is needed: https://www.python.org/downloads/")
    exit 1
}
$passed = $args
# Up to 7.2 quotes inside an argument, and empty arguments, are lost on their way to a program.
if ($PSVersionTable.PSVersion -lt [version]"7.3") {
    $passed = @($args | ForEach-Object {
        $each = "$_" -replace '(\\*)"', '$1$1\"'
        if ($each -match '\s') { $each -replace '(\\+)$', '$1$1' } elseif ($each -eq "") { '""' } else { $each }
    })
}
if ($MyInvocation.ExpectingInput) {
    $input | & $program @options $script @passed
} else {
    & $program @options $script @passed
}
exit $LASTEXITCODE
