# The integration tests: black boxes that start a real Mosquitto and the daemon of this build. Debian's python3-paho-mqtt
# belongs to Debian's own interpreter.
find_program(OTAD_TEST_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(TARGET otad AND OTAD_TEST_PYTHON)
  set(environment OTAD_BIN=$<TARGET_FILE:otad>)
  set(timeout 360)  # for those that hang: a busy machine takes twice as long as an idle one
  set(long_timeout 720)
  if(OTAD_SANITIZE)
    list(APPEND environment OTAD_SANITIZED=1 OTAD_PATIENCE=5)
    set(timeout 900)
    set(long_timeout 1800)
  endif()
  foreach(suite settings simulate flow fleet_truth rollout_api rollout_kill openapi asyncapi keys metrics otactl otactl_rollouts
      otactl_firmware otactl_access otactl_tools setup timers operator queue download links upload
      bad_messages bad_calls restart broker twin
      stop clock scale install broker_config
      mqtt_chunks foreign latest sites slow tls secrets signing agent agent_gate install_commands
      events webhooks bad_deliveries chunk_topics mqtt_versions steady ranges images backup identity selection packages
      restore ddi examples)
    add_test(NAME integration.${suite}
      COMMAND ${OTAD_TEST_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/${suite}_test.py)
    set_tests_properties(integration.${suite} PROPERTIES LABELS integration TIMEOUT ${timeout}
      ENVIRONMENT "${environment}")
  endforeach()
  add_test(NAME integration.crash_books
    COMMAND ${OTAD_TEST_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/crash/books_test.py)
  # Its length is an option (test.sh --crash), and it ends by itself when it hangs: no TIMEOUT here.
  add_test(NAME integration.crash
    COMMAND ${OTAD_TEST_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/crash/campaign.py)
  set_tests_properties(integration.crash integration.crash_books PROPERTIES LABELS integration
    ENVIRONMENT "${environment}")
  # Bad lines: of proxies, and of namespaces where they can be made (as root).
  foreach(suite proxy lines ways namespaces)
    add_test(NAME integration.network.${suite}
      COMMAND ${OTAD_TEST_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/network/${suite}_test.py)
    set_tests_properties(integration.network.${suite} PROPERTIES LABELS integration TIMEOUT ${long_timeout}
      SKIP_RETURN_CODE 77 ENVIRONMENT "${environment}")
  endforeach()
  # These measure memory or time, or fill both cores: alone, so that deadlines hold.
  set_tests_properties(integration.queue integration.links integration.upload integration.bad_messages
    integration.bad_calls integration.timers integration.restart integration.broker
    integration.stop integration.clock integration.scale integration.crash integration.slow integration.steady
    PROPERTIES RUN_SERIAL ON)
  # Broken disks (as root, where file systems may be mounted), brokers and floods.
  foreach(suite disk broker_faults flood migrate)
    add_test(NAME integration.${suite}
      COMMAND ${OTAD_TEST_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/${suite}_test.py)
    set_tests_properties(integration.${suite} PROPERTIES LABELS integration TIMEOUT ${long_timeout}
      SKIP_RETURN_CODE 77 ENVIRONMENT "${environment}")
  endforeach()
  set_tests_properties(integration.disk integration.flood PROPERTIES RUN_SERIAL ON)
  # test.sh --cross. An update beyond 2 GiB, by emulated programs.
  add_test(NAME integration.cross
    COMMAND ${OTAD_TEST_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/cross_test.py)
  set_tests_properties(integration.cross PROPERTIES LABELS integration TIMEOUT 5400 ENVIRONMENT "${environment}")
  # SWUpdate polls every 30 s at its quickest, and waits so long for its next try.
  add_test(NAME integration.swupdate
    COMMAND ${OTAD_TEST_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/swupdate_test.py)
  set_tests_properties(integration.swupdate PROPERTIES LABELS integration TIMEOUT 1800
    ENVIRONMENT "${environment}" COST 1000)  # it begins first: it takes minutes in which it waits
  # The operators' page in Debian's Chromium.
  if(OTAD_WEB)
    add_test(NAME integration.page
      COMMAND ${OTAD_TEST_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/page_test.py)
    set_tests_properties(integration.page PROPERTIES LABELS "integration;page" TIMEOUT ${long_timeout}
      RUN_SERIAL ON SKIP_RETURN_CODE 77 ENVIRONMENT "${environment}")
  endif()
  # test.sh --brokers
  add_test(NAME integration.every_broker
    COMMAND ${OTAD_TEST_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/every_broker_test.py)
  set_tests_properties(integration.every_broker PROPERTIES LABELS integration TIMEOUT ${long_timeout}
    SKIP_RETURN_CODE 77 ENVIRONMENT "${environment}")
endif()
