# One call a folder under src/: a static library `serin_<name>` whose sources are the folder's own *.cpp files
# and whose tests are its *_test.cpp files (executable `<name>_test`, registered with ctest).
#
#   serin_layer(<name> [DEPENDS <layer>...] [LIBRARIES <target>...] [TEST_DEPENDS <layer>...])
#
# DEPENDS names the layers it may use; dev/check-layers holds the same table against the #include lines.
find_package(GTest REQUIRED)

function(serin_layer name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBRARIES;TEST_DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|main)\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")

  set(target serin_${name})
  list(TRANSFORM ARG_DEPENDS PREPEND serin_)
  list(TRANSFORM ARG_TEST_DEPENDS PREPEND serin_)
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${target} PUBLIC ${ARG_DEPENDS} ${ARG_LIBRARIES} PRIVATE serin_warnings)
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${target} INTERFACE ${ARG_DEPENDS} ${ARG_LIBRARIES})
  endif()

  if(tests AND BUILD_TESTING)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${target} ${ARG_TEST_DEPENDS} serin_warnings GTest::gmock_main)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  endif()
endfunction()
