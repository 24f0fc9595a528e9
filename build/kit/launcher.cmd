@echo off
rem Starts @WHAT@. It needs Python @PYTHON@ (64-bit), and no network.
setlocal
rem By a double click, or by a file that was dropped on it: then the window stays until somebody has read it.
setlocal EnableDelayedExpansion
set "line=!CMDCMDLINE!"
set "own="
if not "!line:%~nx0=!"=="!line!" set "own=1"
endlocal & set "own=%own%"
set "alone="
if "%~1"=="" set "alone=1"
if exist "%~1" set "alone=1"
set "own=%own%%alone%"
set "probe=import sys; sys.exit(sys.version_info[:2] != @TUPLE@)"
if defined HAKOBU_PYTHON goto named
py -@PYTHON@ -I -c "%probe%" >nul 2>nul
if not errorlevel 1 goto py
python -I -c "%probe%" >nul 2>nul
if not errorlevel 1 goto python
echo @NAME@: error: this PC has no Python @PYTHON@; @REMEDY@, or name it with HAKOBU_PYTHON 1>&2
set "code=8"
goto end
:named
"%HAKOBU_PYTHON%" -I "%~dp0kit\@SCRIPT@" %*
set "code=%ERRORLEVEL%"
goto end
:py
py -@PYTHON@ -I "%~dp0kit\@SCRIPT@" %*
set "code=%ERRORLEVEL%"
goto end
:python
python -I "%~dp0kit\@SCRIPT@" %*
set "code=%ERRORLEVEL%"
:end
if "%own%"=="11" pause
exit /b %code%
