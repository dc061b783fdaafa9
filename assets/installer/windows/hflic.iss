; An installer for Windows, for Inno Setup 6.3 or later: iscc /DVersion=0.1.0 assets\installer\windows\hflic.iss
;
; Written to be reviewed: nobody has run it, since no Windows machine was there. What it means to do:
; - installs for one person without administrator's rights, or for all if asked to;
; - tells Windows that this program can open .hflic and photographs, and makes it nobody's default: HKA is HKCU
;   for one person and HKLM for all, OpenWithProgids adds a choice and takes none away;
; - leaves nothing in the registry when it is uninstalled; settings and weights of a person stay.

#ifndef Version
  #error say /DVersion=...
#endif

[Setup]
AppId={{6E5B7C0C-5F0E-4E52-8C6D-2B0C9B0B7A41}
AppName=HFLIC
AppVersion={#Version}
AppPublisher=The HFLIC developers
DefaultDirName={autopf}\HFLIC
DefaultGroupName=HFLIC
DisableProgramGroupPage=yes
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=dialog
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
ChangesAssociations=yes
LicenseFile=..\..\..\LICENSE
OutputDir=..\..\..\dist
OutputBaseFilename=hflic-{#Version}-setup
SetupIconFile=..\..\..\build\hflic.ico
UninstallDisplayIcon={app}\hflic.exe
Compression=lzma2
SolidCompression=yes
MinVersion=10.0.17763

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"
Name: "de"; MessagesFile: "compiler:Languages\German.isl"

[InstallDelete]
; What an earlier version had there, and this one has no more, would be found by the program.
Type: filesandordirs; Name: "{app}\lib"

[Files]
Source: "..\..\..\dist\hflic\*"; DestDir: "{app}"; Flags: recursesubdirs createallsubdirs ignoreversion

[Icons]
Name: "{group}\HFLIC"; Filename: "{app}\hflic.exe"

[Registry]
; What a .hflic file is. The key is ours alone.
Root: HKA; Subkey: "Software\Classes\HFLIC.Image"; ValueType: string; ValueData: "HFLIC image"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\HFLIC.Image\DefaultIcon"; ValueType: string; ValueData: "{app}\hflic.exe,0"
Root: HKA; Subkey: "Software\Classes\HFLIC.Image\shell\open\command"; ValueType: string; ValueData: """{app}\hflic.exe"" view ""%1"""
; One more choice under "Open with"; the default stays what it was.
Root: HKA; Subkey: "Software\Classes\.hflic"; ValueType: string; ValueName: "Content Type"; ValueData: "image/x-hflic"; Flags: uninsdeletevalue uninsdeletekeyifempty
Root: HKA; Subkey: "Software\Classes\.hflic\OpenWithProgids"; ValueType: string; ValueName: "HFLIC.Image"; ValueData: ""; Flags: uninsdeletevalue uninsdeletekeyifempty
; Photographs: only named as something this program can open.
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe"; ValueType: string; ValueName: "FriendlyAppName"; ValueData: "HFLIC"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\shell\open\command"; ValueType: string; ValueData: """{app}\hflic.exe"" view ""%1"""
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\SupportedTypes"; ValueType: string; ValueName: ".hflic"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\SupportedTypes"; ValueType: string; ValueName: ".png"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\SupportedTypes"; ValueType: string; ValueName: ".jpg"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\SupportedTypes"; ValueType: string; ValueName: ".jpeg"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\SupportedTypes"; ValueType: string; ValueName: ".webp"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\SupportedTypes"; ValueType: string; ValueName: ".avif"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\SupportedTypes"; ValueType: string; ValueName: ".tif"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\SupportedTypes"; ValueType: string; ValueName: ".tiff"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\SupportedTypes"; ValueType: string; ValueName: ".bmp"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\SupportedTypes"; ValueType: string; ValueName: ".gif"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\hflic.exe\SupportedTypes"; ValueType: string; ValueName: ".jp2"; ValueData: ""

[Run]
Filename: "{app}\hflic.exe"; Description: "{cm:LaunchProgram,HFLIC}"; Flags: nowait postinstall skipifsilent
