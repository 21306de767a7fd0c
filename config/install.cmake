# What `cmake --install` puts where. The unit holds paths, so the prefix is to be given when configuring:
# -DCMAKE_INSTALL_PREFIX=/usr is what a distribution does, with settings in /etc.
if(TARGET otad)
  install(TARGETS otad RUNTIME COMPONENT otad)
endif()
if(TARGET ota-agent)
  install(TARGETS ota-agent RUNTIME COMPONENT ota-agent)
endif()
if(TARGET otactl)
  install(TARGETS otactl RUNTIME COMPONENT otactl)
  # The program writes its own man page and completion; where it can't run here, there are none.
  set(otactl_files "")
  function(otactl_file file destination)
    set(made ${PROJECT_BINARY_DIR}/generated/${file})
    add_custom_command(OUTPUT ${made} COMMAND otactl ${ARGN} > ${made} DEPENDS otactl VERBATIM)
    set(otactl_files ${otactl_files} ${made} PARENT_SCOPE)
    install(FILES ${made} DESTINATION ${destination} COMPONENT otactl OPTIONAL)
  endfunction()
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/generated/bash)
  otactl_file(otactl.1 ${CMAKE_INSTALL_MANDIR}/man1 manual)
  otactl_file(bash/otactl ${CMAKE_INSTALL_DATADIR}/bash-completion/completions completion bash)
  otactl_file(_otactl ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions completion zsh)
  otactl_file(otactl.fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d completion fish)
  if(NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR)
    add_custom_target(otactl_files ALL DEPENDS ${otactl_files})
  endif()
endif()

# GNUInstallDirs knows only in the full path that etc of /usr is /etc; relative ones follow `--prefix`.
set(sysconfdir ${CMAKE_INSTALL_SYSCONFDIR})
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(sysconfdir ${CMAKE_INSTALL_FULL_SYSCONFDIR})
endif()
set(OTAD_CONFIG_FILE ${CMAKE_INSTALL_FULL_SYSCONFDIR}/otad/otad.toml)

set(OTAD_AGENT_CONFIG_FILE ${CMAKE_INSTALL_FULL_SYSCONFDIR}/ota-agent.toml)

# Settings that somebody changed are never overwritten; the defaults are in share/otad.
function(install_settings component sample folder share)
  install(FILES ${sample} DESTINATION ${share} COMPONENT ${component})
  get_filename_component(name ${sample} NAME)
  install(CODE "
    set(folder \"${folder}\")
    if(NOT IS_ABSOLUTE \"\${folder}\")
      set(folder \"\${CMAKE_INSTALL_PREFIX}/\${folder}\")
    endif()
    if(NOT EXISTS \"\$ENV{DESTDIR}\${folder}/${name}\")
      file(INSTALL \"${PROJECT_SOURCE_DIR}/${sample}\" DESTINATION \"\${folder}\")
    endif()" COMPONENT ${component})
endfunction()
install_settings(otad config/otad.toml ${sysconfdir}/otad ${CMAKE_INSTALL_DATADIR}/otad)
install_settings(ota-agent config/agent/ota-agent.toml ${sysconfdir} ${CMAKE_INSTALL_DATADIR}/otad/agent)
install(PROGRAMS config/agent/install-dd config/agent/install-mender config/agent/install-rauc
  config/agent/install-swupdate DESTINATION ${CMAKE_INSTALL_DATADIR}/otad/agent COMPONENT ota-agent)

foreach(unit otad ota-agent)
  configure_file(config/systemd/${unit}.service.in ${PROJECT_BINARY_DIR}/generated/${unit}.service @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/generated/${unit}.service DESTINATION lib/systemd/system COMPONENT ${unit})
endforeach()
foreach(unit otad-renew.service otad-renew.timer)
  configure_file(config/systemd/${unit}.in ${PROJECT_BINARY_DIR}/generated/${unit} @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/generated/${unit} DESTINATION lib/systemd/system COMPONENT otad)
endforeach()
install(FILES config/logrotate/otad DESTINATION ${sysconfdir}/logrotate.d COMPONENT otad)
install(FILES config/sysusers.d/otad.conf DESTINATION lib/sysusers.d COMPONENT otad)
install(FILES config/mosquitto/otad.conf config/mosquitto/otad-secure.conf config/mosquitto/otad.acl
  DESTINATION ${CMAKE_INSTALL_DATADIR}/otad/mosquitto COMPONENT otad)
install(FILES config/simulate/fleet.toml config/simulate/rollout.toml
  DESTINATION ${CMAKE_INSTALL_DATADIR}/otad/simulate COMPONENT otad)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT otad OPTIONAL)
install(FILES config/prometheus/otad-rules.yml DESTINATION ${CMAKE_INSTALL_DATADIR}/otad/prometheus COMPONENT otad)
install(FILES config/grafana/otad.json DESTINATION ${CMAKE_INSTALL_DATADIR}/otad/grafana COMPONENT otad)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT licence OPTIONAL)  # Debian's packages name theirs
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT otad OPTIONAL)
